"""HSAKD's teacher phase: branches that recognise class and rotation, with the network or on top of a frozen one."""

from . import recipes
from .layered import Layered


class HSAKDTeacher(Layered):
    """Network and branches from scratch: CE of the upright images + the branches' CE with joint labels."""

    paper = "Yang et al., IJCAI 2021 (joint teacher)"
    transfers = "joint labels"
    weights = {"ce": 1.0, "joint": 1.0}
    presets = {"paper": {**recipes.HSAKD, "model": "wrn_40_2", "width": 1.0, "method": "hsakd_teacher"}}

    def terms(self, batch, progress):
        return self.hard_terms(batch, *self.look(batch.x[0]))


class HSAKDBranches(HSAKDTeacher):
    """Branches on the network of `init`, which stays as it is, batch statistics included."""

    paper = "Yang et al., IJCAI 2021 (frozen teacher)"
    weights = {"joint": 1.0}
    needs_init, frozen = True, ("model",)
    presets = {
        "paper": {
            **recipes.HSAKD, "model": "wrn_40_2", "epochs": 100, "milestones": (0.3, 0.6, 0.9),
            "init": recipes.CRD_PAIR["teacher"],
        }
    }  # fmt: skip

    def terms(self, batch, progress):
        return {"joint": super().terms(batch, progress)["joint"]}

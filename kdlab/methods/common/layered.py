"""Branches after every stage that classify class and rotation jointly.

HSAKD and LSSKD share them.
"""

from torch import Tensor, nn

from ...core.arithmetic import total
from ...core.errors import Error
from ...data import Batch
from ...data.augment import ops
from ...losses import cross_entropy, joint_labels
from ...models import BranchOutput, Features, branches
from ..base import Method
from .adapters import square

ROTATIONS = 4  # by 0, 90, 180 and 270 degrees


class Layered(Method):
    """A branch behind every stage classifies each image's class and rotation.

    It sees the image in four rotations.

    Class and rotation together are one of `classes * 4` joint labels: class * 4 + rotation. A branch repeats the
    remaining stages with weights of its own and ends in a linear classifier of the joint labels. Branches belong to the
    method: the network that is kept has none.

    A batch of B images becomes 4B rows, the four rotations of an image one after another: rows 0, 4, 8, ... (`[::4]`)
    are the upright images.
    """

    keeps = ("branches",)
    mixes = True

    def build(self) -> None:
        square(type(self).__name__, self.shape)
        self.branches = branches(self.model, ROTATIONS * self.model.num_classes)

    def see_rotations(self, x: Tensor) -> tuple[Features, list[BranchOutput]]:
        """Return features and branch outputs of all rotations (4B rows) of (B, C, H, W)."""
        features = self.model.features(ops.rotations(x))
        return features, through(self.branches, features)

    def hard_terms(self, batch: Batch, seen: Features, outs: list[BranchOutput]) -> dict[str, Tensor]:
        """Compute CE on the upright images, and the branches' CE with joint labels.

        The second is summed over branches, a mean over 4B rows.
        """
        partner = None if batch.partner is None else joint_labels(batch.partner, ROTATIONS)
        y = joint_labels(batch.y, ROTATIONS)
        return {
            "ce": self.ce(seen.logits[::ROTATIONS], batch),
            "joint": total(cross_entropy(out.logits, y, partner, batch.kept) for out in outs),
        }


def behind_the_last(every: nn.ModuleList, stages: int | None) -> nn.ModuleList:
    """Return the branches behind the last `stages` stages; None: all."""
    if stages is not None and stages > len(every):
        raise Error(f"last={stages}: the network has {len(every)} stages to put a branch behind")
    return every[-(stages or len(every)) :]


def through(modules: nn.Module, seen: Features) -> list[BranchOutput]:
    """Apply each branch to its stage's map.

    Fewer branches than stages stand behind the last ones.
    """
    behind = list(modules.children())
    return [branch(stage_map) for branch, stage_map in zip(behind, seen.maps[-len(behind) :], strict=True)]

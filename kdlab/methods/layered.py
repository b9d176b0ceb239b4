"""What HSAKD and LSSKD share: branches after every stage that classify class and rotation jointly."""

from torch import Tensor, nn

from ..augment import ops
from ..data import Batch
from ..losses import cross_entropy, joint_labels
from ..models import BranchOutput, Features, branches
from .adapters import square
from .base import Method

ROTATIONS = 4


class Layered(Method):
    """Four rotations of every image go through the network and a branch per stage.

    Branches repeat the remaining stages with weights of their own and end in a classifier of `classes * 4` joint labels
    (class and rotation). They belong to the method: the network that is kept has none. Rows are image-major, rows
    0::4 are the upright images.
    """

    keeps, mixes = ("branches",), True

    def build(self):
        square(type(self).__name__, self.shape)
        self.branches = branches(self.model, ROTATIONS * self.model.num_classes)

    def look(self, x: Tensor) -> tuple[Features, list[BranchOutput]]:
        """Features and branch outputs of all rotations (4B rows) of images (B, C, H, W)."""
        seen = self.model.features(ops.rotations(x))
        return seen, through(self.branches, seen)

    def hard_terms(self, batch: Batch, seen: Features, outs: list[BranchOutput]) -> dict[str, Tensor]:
        """CE on the upright images, and the sum over branches of the CE with joint labels, mean over 4B rows."""
        partner = None if batch.partner is None else joint_labels(batch.partner, ROTATIONS)
        y = joint_labels(batch.y, ROTATIONS)
        return {
            "ce": self.ce(seen.logits[::ROTATIONS], batch),
            "joint": sum(cross_entropy(out.logits, y, partner, batch.kept) for out in outs),
        }


def through(modules: nn.ModuleList, seen: Features) -> list[BranchOutput]:
    """What each branch says to its stage's map."""
    return [branch(stage_map) for branch, stage_map in zip(modules, seen.maps, strict=True)]

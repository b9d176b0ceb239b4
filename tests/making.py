"""Small methods on digits, for tests of what one batch gives."""

import torch

from kdlab.augment import AUGMENTATIONS
from kdlab.data import Batches, load, split
from kdlab.methods import METHODS
from kdlab.models import build


def make(key, teacher_seed=1, epochs=2, cutmix=0.0, shape=(1, 8, 8), **options):
    """A method with tiny networks, and one fixed batch of digits for it."""
    cls = METHODS[key]
    student = build("litenet_dsc", 10, 1, 0.125, seed=0)
    teacher, parts = None, {}
    if cls.needs_teacher:
        teacher = build("litenet_dsc" if key == "fsp_init" else "resnet18", 10, 1, 0.125, seed=teacher_seed)
        torch.manual_seed(teacher_seed)
        parts = {name: keeper(name)(teacher).parts[name] for name in cls.needs_parts}
    torch.manual_seed(0)
    data = split(load("digits"), 40)
    method = cls(student, teacher, teacher_parts=parts, labels=data.y, batch=16, epochs=epochs, shape=shape, **options)
    family = AUGMENTATIONS["digits"]
    batches = Batches(
        data, [family[role] for role in cls.views], shared=cls.shared and family[cls.shared], draw=cls.draw, batch=16,
        steps=2, ratio=method.hp.get("ratio", 1), cutmix=cutmix,
    )  # fmt: skip
    return method.train(), next(batches.epoch(0, 0))


def keeper(part):
    """A method without a teacher that keeps the given part."""
    return next(m for m in METHODS.values() if part in m.keeps and m.trains_head and not m.needs_teacher)


def gather_statistics(net, x):
    """Give an untrained network batch statistics that eval mode can work with."""
    net.train()
    for _ in range(30):
        net(x)
    net.eval()

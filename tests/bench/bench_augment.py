"""CPU time of a view on one thread, by hand: python tests/bench/bench_augment.py

The "colour" recipes against the same recipe in torchvision's classic form (PIL images, one after another) and in
kornia's batched one (where it is installed), how far their views' statistics lie apart, and the "digits" recipes at the
sizes where the number of operations counts more than their work. Contestants take turns, so that a busy machine is
unfair to all of them alike; the median of the turns is printed, and the whole range.
"""

import importlib.util
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torchvision.transforms as T
from PIL import ImageFilter

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from kdlab.core.memory import keep_freed
from kdlab.data.augment import AUGMENTATIONS


def microseconds(contestants: dict[str, Callable[[], object]], views: int, turns: int = 9) -> dict[str, list[float]]:
    """CPU microseconds per view of each contestant, sorted; a call makes `views` views."""
    times = {name: [] for name in contestants}
    for turn in range(turns + 1):
        for name, call in contestants.items():
            start = time.process_time()
            call()
            if turn:  # the first one warms up
                times[name].append((time.process_time() - start) / views * 1e6)
    return {name: sorted(each) for name, each in times.items()}


def pil_blur(image):
    """solo-learn's blur: a sigma from 0.1 to 2 pixels."""
    return image.filter(ImageFilter.GaussianBlur(torch.empty(()).uniform_(0.1, 2.0).item()))


def classic(size: int) -> dict[str, Callable]:
    """The "colour" recipes as torchvision users write them."""
    return {
        "weak": T.Compose([T.RandomCrop(size, padding=4), T.RandomHorizontalFlip(), T.ToTensor()]),
        "strong": T.Compose(
            [
                T.RandomResizedCrop(size, scale=(0.2, 1.0)),
                T.RandomHorizontalFlip(),
                T.RandomApply([T.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8),
                T.RandomGrayscale(0.2),
                T.RandomApply([pil_blur], p=0.5),
                T.ToTensor(),
            ]
        ),
    }


def batched(size: int) -> dict[str, Callable]:
    """The strong recipe as kornia's users write it; none without kornia."""
    if not importlib.util.find_spec("kornia"):
        return {}
    import kornia.augmentation as K

    strong = torch.nn.Sequential(
        K.RandomResizedCrop((size, size), scale=(0.2, 1.0)),
        K.RandomHorizontalFlip(),
        K.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8),
        K.RandomGrayscale(p=0.2),
        K.RandomGaussianBlur((13, 13), (0.1, 2.0), p=0.5),
    )
    return {"strong": lambda images: strong(images / 255)}


def apart(ours: torch.Tensor, theirs: torch.Tensor) -> dict[str, float]:
    """Kolmogorov-Smirnov distances of what two sets of colour images look like."""

    def looks(x: torch.Tensor) -> dict[str, torch.Tensor]:
        chroma = x.amax(1) - x.amin(1)
        gradient = x.diff(dim=2).abs().mean((1, 2, 3)) + x.diff(dim=3).abs().mean((1, 2, 3))
        each = {"mean": x.mean((1, 2, 3)), "std": x.flatten(1).std(1), "gradient": gradient}
        return each | {"saturation": chroma.mean((1, 2)), "grey": (chroma < 0.01).float().mean((1, 2))}

    def distance(a: torch.Tensor, b: torch.Tensor) -> float:
        at = torch.cat([a, b])
        below = [torch.searchsorted(each.sort().values, at, right=True) / len(each) for each in (a, b)]
        return (below[0] - below[1]).abs().max().item()

    return {name: distance(value, looks(theirs)[name]) for name, value in looks(ours).items()}


def photos(count: int, channels: int, size: int) -> torch.Tensor:
    """Smooth random uint8 images."""
    x = torch.nn.functional.interpolate(torch.rand(count, channels, 8, 8), size=(size, size), mode="bicubic")
    return (x.clamp(0, 1) * 255).byte()


def main():
    torch.set_num_threads(1)
    keep_freed()  # as a run does
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    print("CPU microseconds per view, one thread: median [range]")
    images = photos(256, 3, 32)
    pil = [T.functional.to_pil_image(image) for image in images]
    for role, transform in classic(32).items():
        recipe = AUGMENTATIONS["colour"][role]
        calls = {
            "kdlab": lambda: recipe(images, generator),
            "torchvision": lambda: torch.stack([transform(image) for image in pil]),
        }
        if kornia := batched(32).get(role):
            calls["kornia"] = lambda: kornia(images)
        distances = apart(*(torch.cat([calls[name]() for _ in range(16)]) for name in ("kdlab", "torchvision")))
        times = microseconds({name: lambda c=call: [c() for _ in range(4)] for name, call in calls.items()}, 4 * 256)
        line = ", ".join(f"{name} {statistics.median(t):.1f} [{t[0]:.1f}-{t[-1]:.1f}]" for name, t in times.items())
        ratios = (f"{statistics.median(t) / statistics.median(times['kdlab']):.1f}" for t in times.values())
        print(f"colour {role} 32 px, batch 256: {line}, ratios {', '.join(ratios)}")
        print("  KS to torchvision:", ", ".join(f"{name} {value:.3f}" for name, value in distances.items()))
    for size in (12, 16):
        images = photos(128, 1, size)
        calls = {
            role: lambda r=recipe: [r(images, generator) for _ in range(20)]
            for role, recipe in AUGMENTATIONS["digits"].items()
        }
        for role, t in microseconds(calls, 20 * len(images)).items():
            print(f"digits {role} {size} px, batch 128: {statistics.median(t):.2f} [{t[0]:.2f}-{t[-1]:.2f}]")


if __name__ == "__main__":
    main()

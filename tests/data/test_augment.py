"""Augmentation: every operation against torchvision image by image; what the recipes draw, and that they repeat."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
import torchvision.transforms as T
import torchvision.transforms.functional as TF
from torchvision.transforms import InterpolationMode

from kdlab.core.errors import Error
from kdlab.data.augment import AUGMENTATIONS, Recipe, ops
from kdlab.data.changes import Change, changed

torch.set_num_threads(1)
B = 12
NAMES = {recipe: f"{family}-{role}" for family, roles in AUGMENTATIONS.items() for role, recipe in roles.items()}
RECIPES = {name: recipe for recipe, name in NAMES.items()}  # each once
EVERYTHING = Recipe(
    flip=0.5,
    pad=2,
    crop_scale=(0.2, 1.0),
    rotate=20,
    translate=0.1,
    scale=(0.8, 1.2),
    shear=10,
    jitter=(0.4, 0.4, 0.4, 0.1),
    jitter_p=0.8,
    grey_p=0.2,
    blur_p=0.5,
    solarize_p=0.2,
    noise=0.1,
    erase_p=0.5,
)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def photos(count, channels, height, width):
    """uint8 images with flat, saturated and grey areas and ties between channels, where formulas for colours break."""
    x = torch.randint(0, 256, (count, channels, height, width), dtype=torch.uint8)
    x[..., : height // 3, :] = x[..., : height // 3, :] // 128 * 255
    x[:, :, :, 0] = x[:, :1, :, 0]
    return x


def uniform(low, high):
    return torch.empty(B).uniform_(low, high)


ON = torch.arange(B) % 3 != 0


def boxes(height, width):
    h, w = torch.randint(1, height + 1, (B,)), torch.randint(1, width + 1, (B,))
    h[0], w[0] = height, width
    return (torch.rand(B) * (height - h + 1)).long(), (torch.rand(B) * (width - w + 1)).long(), h, w


def jitter_image(image, *args):
    *factors, order = args
    adjust = (TF.adjust_brightness, TF.adjust_contrast, TF.adjust_saturation, TF.adjust_hue)
    for op in order:
        image = adjust[op](image, factors[op])
    return image


def jitter(x, brightness, contrast, saturation, hue, order, on=None):
    """Four changes one after the other, as recipes draw them."""
    factors = torch.stack([brightness, contrast, saturation, hue], 1).gather(1, order)
    changes = [Change(ops.JITTER, (f,), op) for f, op in zip(factors.unbind(1), order.unbind(1), strict=True)]
    return changed(x, changes if on is None else [change.only(on) for change in changes])


def some(op, **fixed):
    """The operation on the images that are `on`."""
    return lambda x, *args: changed(x, [Change((partial(op, **fixed),), args[:-1]).only(args[-1])])


def affine_image(image, angle, dx, dy, scale, shear_x, shear_y):
    return TF.affine(image, angle, [dx, dy], scale, [shear_x, shear_y], InterpolationMode.BILINEAR)


# operation -> (batched, one image by torchvision, parameters of images (H, W))
OPS = {
    "crop_resize": (ops.crop_resize, lambda x, *box: TF.resized_crop(x, *box, list(x.shape[1:])), boxes),
    "pad_crop": (
        partial(ops.pad_crop, padding=4),
        lambda x, top, left: TF.crop(TF.pad(x, [4]), top, left, *x.shape[1:]),
        lambda h, w: torch.randint(0, 9, (2, B)),
    ),
    "flip_pad_crop": (
        partial(ops.pad_crop, padding=4),
        lambda x, top, left, on: TF.crop(TF.pad(TF.hflip(x) if on else x, [4]), top, left, *x.shape[1:]),
        lambda h, w: (*torch.randint(0, 9, (2, B)), ON),
    ),
    "hflip": (some(ops.hflip), lambda x, on: TF.hflip(x) if on else x, lambda h, w: (ON,)),
    "affine": (
        lambda x, *args: ops.affine(x, ops.affine_matrix(*args, *x.shape[2:])),
        affine_image,
        lambda h, w: [uniform(*r) for r in ((-180, 180), (-w / 4, w / 4), (-h / 4, h / 4), (0.5, 2), *[(-40, 40)] * 2)],
    ),
    "brightness": (ops.brightness, TF.adjust_brightness, lambda h, w: (uniform(0, 2),)),
    "contrast": (ops.contrast, TF.adjust_contrast, lambda h, w: (uniform(0, 2),)),
    "saturation": (ops.saturation, TF.adjust_saturation, lambda h, w: (uniform(0, 2),)),
    "hue": (ops.hue, TF.adjust_hue, lambda h, w: (uniform(-0.5, 0.5),)),
    "jitter": (
        jitter,
        jitter_image,
        lambda h, w: [*(uniform(0.2, 1.8) for _ in range(3)), uniform(-0.5, 0.5), torch.rand(B, 4).argsort(1)],
    ),
    "greyscale": (some(ops.greyscale), lambda x, on: TF.rgb_to_grayscale(x, len(x)) if on else x, lambda h, w: (ON,)),
    "solarize": (some(ops.solarize), lambda x, t, on: TF.solarize(x, t) if on else x, lambda h, w: (uniform(0, 1), ON)),
    **{
        f"blur{k}": (
            some(ops.blur, kernel_size=k),
            lambda x, sigma, on, k=k: TF.gaussian_blur(x, [k, k], [sigma, sigma]) if on else x,
            lambda h, w: (uniform(0.1, 2), ON),
        )
        for k in (1, 3, 7, 15)
    },
    "erase": (
        partial(ops.erase, value=0.3),
        lambda x, *box: TF.erase(x, *box, torch.tensor(0.3)),
        boxes,
    ),
}


@pytest.mark.parametrize("size", [(8, 8), (12, 12), (32, 32), (9, 14)], ids="{0[0]}x{0[1]}".format)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", OPS)
def test_operation_equals_torchvision(name, channels, size):
    batched, single, parameters = OPS[name]
    x = photos(B, channels, *size) / 255
    parameters, before = parameters(*size), x.clone()
    y = batched(x, *parameters)
    rows = zip(x, *(p.tolist() for p in parameters), strict=True)
    torch.testing.assert_close(y, torch.stack([single(*row) for row in rows]), atol=2e-5, rtol=0)
    assert torch.equal(x, before), "the input was modified"
    assert y.min() >= 0 and y.max() <= 1


def test_jitter_leaves_out_operations_and_images():
    x = photos(B, 3, 8, 8) / 255
    factors, order, still = torch.full((3, B), 0.5), torch.rand(B, 4).argsort(1), torch.zeros(B)
    some = jitter(x, *factors, still, order, ON)
    assert torch.equal(some[ON], jitter(x, *factors, still, order)[ON]) and torch.equal(some[~ON], x[~ON])
    for strengths, channels, active in (
        ((0.4, 0, 0.4, 0), 3, {0, 2}),
        ((0.4, 0.4, 0, 0.1), 1, {0, 1}),
        ((0, 0, 0, 0.1), 1, set()),
    ):
        changes = Recipe(jitter=strengths, jitter_p=0.5).draw((64, channels, 8, 8), generator())
        kinds = [change.kind for change in changes if change.kind is not None]
        assert len(kinds) == len(active) and all(set(kind.tolist()) == active | {len(ops.JITTER)} for kind in kinds)


# Recipes


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(8, 8), (12, 12), (32, 32), (9, 14)], ids="{0[0]}x{0[1]}".format)
@pytest.mark.parametrize("recipe", [*RECIPES.values(), EVERYTHING], ids=[*RECIPES, "everything"])
def test_recipe_repeats_and_stays_in_range(recipe, size, channels):
    images = photos(40, channels, *size)
    before, still = images.clone(), recipe == Recipe()
    x, again, other = (recipe(images, generator(seed)) for seed in (1, 1, 2))
    assert x.dtype == torch.float32 and x.shape == images.shape
    assert torch.equal(images, before), "the input was modified"
    assert x.min() >= 0 and x.max() <= 1 and not x.isnan().any()
    assert torch.equal(x, again) and torch.equal(x, other) == still
    assert torch.equal(x, images / 255) == still


@pytest.mark.parametrize("recipe", [r for r in RECIPES.values() if r != Recipe()])
def test_draws_come_from_the_generator_alone_and_differ_by_image(recipe):
    images = photos(1, 3, 16, 16).expand(64, -1, -1, -1)
    torch.manual_seed(1)
    x = recipe(images, generator())
    torch.manual_seed(2)
    assert torch.equal(x, recipe(images, generator()))
    variants = 2 if recipe == Recipe(flip=0.5) else 17  # of 25, where they are shifts by up to two pixels
    assert len(x.flatten(1).unique(dim=0)) >= variants


SWITCHES = {
    "flip": 1.0,
    "pad": 2,
    "crop_scale": (0.2, 0.5),
    "rotate": 20,
    "translate": 0.2,
    "scale": (1.2, 1.5),
    "shear": 20,
    "jitter": (0, 0, 0, 0.4),
    "grey_p": 1.0,
    "blur_p": 1.0,
    "solarize_p": 1.0,
    "noise": 0.1,
    "erase_p": 1.0,
}


@pytest.mark.parametrize("field", SWITCHES)
def test_every_field_acts_alone(field):
    images = photos(16, 3, 16, 16)
    x = replace(Recipe(), **{field: SWITCHES[field]})(images, generator())
    assert ((x - images / 255).abs().amax((1, 2, 3)) > 1e-3).float().mean() > 0.8


@pytest.mark.parametrize("p", [0.2, 0.8])
@pytest.mark.parametrize("field", ["flip", "grey_p", "blur_p", "solarize_p", "erase_p", "jitter_p"])
def test_probabilities(field, p):
    images = photos(2000, 3, 8, 8)
    jitter = (0, 0, 0, 0.4) if field == "jitter_p" else None
    x = Recipe(**{field: p}, blur_sigma=(1.0, 2.0), jitter=jitter)(images, generator())
    share = ((x - images / 255).abs().amax((1, 2, 3)) > 1e-3).float().mean()
    assert abs(share - p) < 0.04


def ramps(count, height, width):
    """Images whose channels hold the row and the column of each pixel: a crop shows where it was taken."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([rows, columns, rows]).to(torch.uint8).expand(count, -1, -1, -1)


@pytest.mark.parametrize("height, width", [(32, 32), (12, 12), (8, 40)])
def test_crop_boxes_are_distributed_as_in_random_resized_crop(height, width):
    count, scale, ratio = 4000, (0.2, 1.0), (3 / 4, 4 / 3)
    x = Recipe(crop_scale=scale, crop_ratio=ratio)(ramps(count, height, width), generator()) * 255
    ours = torch.stack([x[:, 0].amin((1, 2)), x[:, 1].amin((1, 2)), x[:, 0].amax((1, 2)), x[:, 1].amax((1, 2))], 1)
    image = torch.empty(3, height, width)
    drawn = torch.tensor([T.RandomResizedCrop.get_params(image, scale, ratio) for _ in range(count)]).float()
    top, left, h, w = drawn.unbind(1)
    theirs = torch.stack([top, left, top + h - 1, left + w - 1], 1)
    for a, b in zip(ours.round().T, theirs.T, strict=True):
        steps = torch.arange(-1, max(height, width))
        apart = ((a[:, None] <= steps).float().mean(0) - (b[:, None] <= steps).float().mean(0)).abs().max()
        assert apart < 0.043  # Kolmogorov-Smirnov at 0.1 % for two samples of 4000


@pytest.mark.parametrize("scale, ratio", [((0.02, 0.33), (0.3, 3.3)), ((0.1, 0.3), (2.0, 4.0))])
def test_erased_boxes_are_distributed_as_in_random_erasing(scale, ratio):
    count, n = 2000, 16
    white = torch.full((count, 1, n, n), 255, dtype=torch.uint8)
    hole = Recipe(erase_p=1.0, erase_scale=scale, erase_ratio=ratio)(white, generator())[:, 0] == 0
    drawn = [T.RandomErasing.get_params(white[0].float(), scale, ratio, [0.0])[2:4] for _ in range(count)]
    theirs = torch.tensor(drawn).float()
    ours = torch.stack([hole.any(2).sum(1), hole.any(1).sum(1)], 1).float()
    assert torch.equal(hole.flatten(1).sum(1).float(), ours.prod(1)), "not a rectangle"
    torch.testing.assert_close(ours.mean(0), theirs.mean(0), atol=0.25, rtol=0)
    torch.testing.assert_close(ours.std(0), theirs.std(0), atol=0.2, rtol=0)


def test_jitter_factors_and_noise_have_their_ranges():
    grey = torch.full((4000, 1, 8, 8), 100, dtype=torch.uint8)
    gain = Recipe(jitter=(0.4, 0, 0, 0))(grey, generator())[:, 0, 0, 0] * 2.55
    assert gain.min() > 0.599 and gain.max() < 1.401 and abs(gain.mean() - 1) < 0.02
    std = Recipe(noise=0.1)(grey, generator()).flatten(1).std(1)
    assert abs(std.mean() - 0.05) < 0.003 and std.min() < 0.005 and std.max() < 0.13


@pytest.mark.parametrize("name", RECIPES)
def test_small_batches_never_fail_whatever_the_draws(name):
    """Of a few images none may be blurred, or solarised, or turned grey: nothing is then done to no image."""
    failed = []
    for count in range(5):
        for channels in (1, 3):
            images = photos(count, channels, 8, 8)
            for seed in range(50):
                try:
                    x = RECIPES[name](images, generator(seed))
                except Exception as error:
                    failed.append(f"{count} images of {channels} channels, seed {seed}: {error}")
                else:
                    assert x.shape == images.shape and x.dtype == torch.float32
    assert not failed, f"{len(failed)} of 500 draws fail, the first: {failed[0]}"


@pytest.mark.parametrize(
    "name, op",
    {
        "hflip": lambda x, _: ops.hflip(x),
        "pad_crop": lambda x, none: ops.pad_crop(x, none.long(), none.long(), padding=2),
        "crop_resize": lambda x, none: ops.crop_resize(x, none.long(), none.long(), none.long(), none.long()),
        "affine": lambda x, none: ops.affine(x, ops.affine_matrix(*[none] * 6, 8, 8)),
        "jitter": lambda x, none: jitter(x, *[none] * 4, none.long()[:, None].expand(-1, 4), none.bool()),
        "greyscale": lambda x, _: ops.greyscale(x),
        "blur": lambda x, none: ops.blur(x, none, kernel_size=3),
        "solarize": ops.solarize,
        "erase": lambda x, none: ops.erase(x, *[none.long()] * 4),
        "cutout": lambda x, none: ops.cutout(x, none.long(), none.long(), side=4),
        "jigsaw": lambda x, none: ops.jigsaw(x, none.long()[:, None].expand(-1, 4)),
        "rotations": lambda x, none: ops.rotations(x),
        "cutmix": lambda x, none: ops.cutmix(x, none.long(), (torch.tensor(0),) * 4),
    }.items(),
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_operations_leave_no_image_as_it_is(name, op):
    failed = ""
    try:
        shape = op(torch.zeros(0, 3, 8, 8), torch.zeros(0)).shape
    except Exception as error:
        shape, failed = None, str(error)
    assert shape == (0, 3, 8, 8), failed


def test_families_have_every_role_and_clean_is_clean():
    names = {"clean", "weak", "strong", "second", "flip", "crop"}
    assert all(set(roles) == names for roles in AUGMENTATIONS.values())
    assert all(roles["clean"] == Recipe() for roles in AUGMENTATIONS.values())
    assert all(recipe.flip == 0 for recipe in AUGMENTATIONS["digits"].values())


def test_roles_follow_from_weak_and_only_byol_has_two_strong_views():
    assert AUGMENTATIONS["photographs"]["flip"].crop_scale and AUGMENTATIONS["photographs"]["crop"] == Recipe()
    for roles in (roles for name, roles in AUGMENTATIONS.items() if name != "photographs"):  # one crop for all turns
        assert roles["flip"] == Recipe(flip=roles["weak"].flip) and roles["crop"] == replace(roles["weak"], flip=0.0)
    assert [name for name, roles in AUGMENTATIONS.items() if roles["second"] != roles["strong"]] == ["byol"]
    assert AUGMENTATIONS["colour"]["crop"] == AUGMENTATIONS["simclr"]["crop"] == Recipe(pad=4)
    byol = AUGMENTATIONS["byol"]
    assert byol["second"] == replace(byol["strong"], solarize_p=0.2) and byol["strong"].blur_p == 0


@pytest.mark.parametrize("recipe", [*RECIPES.values(), EVERYTHING], ids=[*RECIPES, "everything"])
def test_float_images_give_what_bytes_give_so_that_recipes_compose(recipe):
    images = photos(12, 3, 16, 16)
    x = images / 255
    before = x.clone()
    torch.testing.assert_close(recipe(x, generator()), recipe(images, generator()), atol=1e-6, rtol=0)
    assert torch.equal(x, before), "the input was modified"
    flip = Recipe(flip=1.0)
    composed = recipe(flip(images, generator(1)), generator())
    torch.testing.assert_close(composed, recipe(images.flip(3), generator()), atol=1e-6, rtol=0)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_rotations_are_image_major_and_counter_clockwise(dtype):
    x = photos(3, 3, 5, 5).to(dtype)
    y = ops.rotations(x)
    assert y.shape == (12, 3, 5, 5) and y.dtype == dtype
    for i in range(3):
        for quarter in range(4):
            assert (y[4 * i + quarter].numpy() == np.rot90(x[i].numpy(), quarter, (1, 2))).all()
    assert y[1, 0, -1, 0] == x[0, 0, 0, 0], "a quarter turn takes the upper left corner to the lower left"
    with pytest.raises(Error, match="images of 5 x 6 pixels cannot be turned by 90 degrees"):
        ops.rotations(torch.zeros(1, 3, 5, 6))

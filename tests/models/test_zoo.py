"""Published sizes and shapes of the papers' networks, and torchvision's networks against torchvision."""

from pathlib import Path

import pytest
import torch
import torchvision
from torchvision.models import _api

from kdlab.core.errors import Error
from kdlab.metrics import cost
from kdlab.models import branches, build, parameter_count

# model: parameters and MACs at 100 classes and 3 x 32 x 32, maps (stem and stages) as (channels, size), pooled
ZOO = {
    "resnet8": (83_892, 12_507_392, [(16, 32), (16, 32), (32, 16), (64, 8)], 64),
    "resnet14": (181_108, 26_663_168, [(16, 32), (16, 32), (32, 16), (64, 8)], 64),
    "resnet20": (278_324, 40_818_944, [(16, 32), (16, 32), (32, 16), (64, 8)], 64),
    "resnet32": (472_756, 69_130_496, [(16, 32), (16, 32), (32, 16), (64, 8)], 64),
    "resnet44": (667_188, 97_442_048, [(16, 32), (16, 32), (32, 16), (64, 8)], 64),
    "resnet56": (861_620, 125_753_600, [(16, 32), (16, 32), (32, 16), (64, 8)], 64),
    "resnet110": (1_736_564, 253_155_584, [(16, 32), (16, 32), (32, 16), (64, 8)], 64),
    "resnet8x4": (1_233_540, 177_071_104, [(32, 32), (64, 32), (128, 16), (256, 8)], 256),
    "resnet32x4": (7_433_860, 1_083_040_768, [(32, 32), (64, 32), (128, 16), (256, 8)], 256),
    "resnet18": (11_220_132, 555_468_800, [(64, 32), (64, 32), (128, 16), (256, 8), (512, 4)], 512),
    "resnet34": (21_328_292, 1_159_448_576, [(64, 32), (64, 32), (128, 16), (256, 8), (512, 4)], 512),
    "resnet50": (23_705_252, 1_298_014_208, [(64, 32), (256, 32), (512, 16), (1024, 8), (2048, 4)], 2048),
    "resnet101": (42_697_380, 2_510_168_064, [(64, 32), (256, 32), (512, 16), (1024, 8), (2048, 4)], 2048),
    "resnext29_8x64d": (34_518_948, 5_387_358_208, [(64, 32), (256, 32), (512, 16), (1024, 8)], 1024),
    "wrn_16_1": (180_916, 26_663_168, [(16, 32), (16, 32), (32, 16), (64, 8)], 64),
    "wrn_16_2": (703_284, 101_118_464, [(16, 32), (32, 32), (64, 16), (128, 8)], 128),
    "wrn_40_1": (569_780, 83_286_272, [(16, 32), (16, 32), (32, 16), (64, 8)], 64),
    "wrn_40_2": (2_255_156, 327_610_880, [(16, 32), (32, 32), (64, 16), (128, 8)], 128),
    "wrn_28_8": (23_401_012, 3_360_131_072, [(16, 32), (128, 32), (256, 16), (512, 8)], 512),
    "preact_resnet18": (11_217_444, 555_468_800, [(64, 32), (64, 32), (128, 16), (256, 8), (512, 4)], 512),
    "densenet121": (7_048_548, 888_442_880, [(64, 32), (256, 32), (512, 16), (1024, 8), (1024, 4)], 1024),
    "vgg8": (3_965_028, 96_192_512, [(64, 32), (128, 16), (256, 8), (512, 4), (512, 4)], 512),
    "vgg11": (9_277_284, 209_438_720, [(64, 32), (128, 16), (256, 8), (512, 4), (512, 4)], 512),
    "vgg13": (9_462_180, 284_936_192, [(64, 32), (128, 16), (256, 8), (512, 4), (512, 4)], 512),
    "vgg13_by_resolution": (9_462_180, 284_936_192, [(64, 32), (64, 32), (128, 16), (256, 8), (512, 4)], 512),
    "vgg16": (14_774_436, 398_182_400, [(64, 32), (128, 16), (256, 8), (512, 4), (512, 4)], 512),
    "vgg19": (20_086_692, 511_428_608, [(64, 32), (128, 16), (256, 8), (512, 4), (512, 4)], 512),
    "mobilenet_v2_half": (812_836, 6_523_648, [(16, 16), (12, 16), (16, 8), (48, 4), (160, 2)], 1280),
    "mobilenet_v2_half_highres": (812_836, 25_710_592, [(16, 32), (12, 32), (16, 16), (48, 8), (160, 4)], 1280),
    "mobilenet_v2_cifar": (2_369_380, 64_947_264, [(32, 34), (16, 34), (24, 17), (32, 9), (320, 5)], 1280),
    "shufflenet_v1": (949_258, 38_691_456, [(24, 32), (240, 16), (480, 8), (960, 4)], 960),
    "shufflenet_v2": (1_355_528, 44_504_448, [(24, 32), (116, 16), (232, 8), (464, 4)], 1024),
}
# model: parameters of all branches (400 outputs) and MACs of the network with them at 3 x 32 x 32
AUXILIARY = {
    "resnet20": (762_992, 94_373_120),
    "resnet56": (2_206_064, 292_553_984),
    "resnet8x4": (3_557_296, 429_036_544),
    "resnet32x4": (18_907_056, 2_542_965_760),
    "resnet18": (40_168_256, 1_512_589_312),
    "resnet34": (69_087_040, 3_173_533_696),
    "resnet50": (76_976_704, 3_599_769_600),
    "wrn_16_2": (1_928_304, 239_684_096),
    "wrn_40_1": (1_484_432, 193_463_552),
    "wrn_40_2": (5_769_328, 768_166_400),
    "vgg13_by_resolution": (37_049_664, 1_002_981_376),
    "mobilenet_v2_half_highres": (4_671_496, 86_569_472),
    "shufflenet_v1": (3_118_740, 87_129_216),
    "shufflenet_v2": (4_519_988, 117_040_768),
}
# torchvision's networks: classes, size, parameters, MACs
IMAGENET = [
    ("mobilenet_v2", 10, 96, 2_236_682, 55_021_952),
    ("efficientnet_b0", 10, 96, 4_020_358, 71_153_632),
    ("mobilenet_v2", 1000, 224, 3_504_872, 300_774_272),
    ("efficientnet_b0", 1000, 224, 5_288_548, 385_814_752),
    ("resnet18_imagenet", 1000, 224, 11_689_512, 1_814_073_344),
    ("resnet34_imagenet", 1000, 224, 21_797_672, 3_663_761_408),
    ("resnet50_imagenet", 1000, 224, 25_557_032, 4_089_184_256),
    ("shufflenet_v2_x1_0", 1000, 224, 2_278_604, 144_907_992),
]


def meta(*args):
    """A network of shapes without numbers, which costs nothing to build and to run."""
    with torch.device("meta"):
        return build(*args).eval()


class WithBranches(torch.nn.Module):
    def __init__(self, net):
        super().__init__()
        with torch.device("meta"):
            self.net, self.branches = net, branches(net, 400)

    def forward(self, x):
        return [branch(map_).logits for branch, map_ in zip(self.branches, self.net.features(x).maps, strict=True)]


@pytest.mark.parametrize("name", ZOO)
def test_parameters_macs_and_maps_are_the_published_ones(name):
    parameters, macs, shapes, pooled = ZOO[name]
    net, x = meta(name, 100), torch.zeros(1, 3, 32, 32, device="meta")
    assert cost.report(net, (3, 32, 32)) == {"parameters": parameters, "macs": macs}
    features = net.features(x)
    assert [(m.shape[1], m.shape[3]) for m in (net.stem(x), *features.maps)] == shapes
    assert features.pooled.shape[1] == pooled == net.feature_width and net.stem_width == shapes[0][0]


def test_wrn_28_2_of_fixmatch():
    assert cost.report(meta("wrn_28_2", 10), (3, 32, 32)) == {"parameters": 1_467_610, "macs": 214_353_152}


def test_one_stage_per_resolution_is_the_same_vgg13():
    a, b = build("vgg13", 10, 3, 0.25).eval(), build("vgg13_by_resolution", 10, 3, 0.25).eval()
    b.load_state_dict(dict(zip(b.state_dict(), a.state_dict().values(), strict=True)))
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert torch.equal(a(x), b(x))


@pytest.mark.parametrize("name", AUXILIARY)
def test_branches_are_the_published_ones(name):
    both = WithBranches(meta(name, 100))
    assert (parameter_count(both.branches), cost.macs(both, (3, 32, 32))) == AUXILIARY[name]


@pytest.mark.parametrize("name, classes, size, parameters, macs", IMAGENET)
def test_torchvision_networks_have_torchvisions_sizes(name, classes, size, parameters, macs):
    assert cost.report(meta(name, classes), (3, size, size)) == {"parameters": parameters, "macs": macs}
    with torch.device("meta"):
        theirs = torchvision.models.get_model(name.removesuffix("_imagenet"), num_classes=classes)
    assert cost.report(theirs, (3, size, size)) == {"parameters": parameters, "macs": macs}


@pytest.mark.parametrize("name", ["mobilenet_v2", "efficientnet_b0", "resnet18_imagenet", "shufflenet_v2_x1_0"])
def test_imagenet_weights_give_torchvisions_outputs(name, monkeypatch):
    theirs = torchvision.models.get_model(name.removesuffix("_imagenet")).eval()
    for norm in filter(lambda m: isinstance(m, torch.nn.BatchNorm2d), theirs.modules()):
        torch.nn.init.normal_(norm.running_mean, 0, 0.1)
    monkeypatch.setattr(_api, "load_state_dict_from_url", lambda *_, **__: theirs.state_dict())
    net, fresh = build(name, 7, pretrained=True).eval(), build(name, 7)
    if hasattr(theirs, "fc"):
        theirs.fc = net.head
    else:
        theirs.classifier[-1] = net.head
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(net(x), theirs(x), atol=1e-5)
    assert torch.equal(net.head.weight, fresh.head.weight)


def test_imagenet_weights_that_do_not_fit_or_do_not_come(monkeypatch, tmp_path):
    def offline(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr(_api, "load_state_dict_from_url", offline)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(Error, match="choose from efficientnet_b0"):
        build("resnet18", 10, pretrained=True)
    for channels, width in ((1, 1.0), (3, 0.5)):
        with pytest.raises(Error, match=f"3 channels and width 1, not for {channels} and {width:g}"):
            build("mobilenet_v2", 10, channels, width, pretrained=True)
    with pytest.raises(Error, match=r"could not be downloaded: put them at .*hub.checkpoints.mobilenet_v2-\w+\.pth"):
        build("mobilenet_v2", 10, pretrained=True)


@pytest.mark.parametrize("kind", ["runs code", "of tensors", "text", "a folder"])
def test_a_file_in_the_place_of_imagenet_weights_is_neither_run_nor_believed(kind, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    url = torchvision.models.get_model_weights("resnet18")["IMAGENET1K_V1"].url
    file = tmp_path / "hub" / "checkpoints" / url.rpartition("/")[2]
    file.parent.mkdir(parents=True)
    trace = tmp_path / "trace"
    if kind == "runs code":
        torch.save({"weight": Touches(trace)}, file)
    elif kind == "of tensors":
        torch.save(torchvision.models.resnet18().state_dict(), file)
    elif kind == "text":
        file.write_text("not found")
    else:
        file.mkdir()
    before = sorted(file.parent.iterdir())
    with pytest.raises(Exception) as caught:  # noqa: PT011  # of which kind is asked below
        build("resnet18_imagenet", 10, pretrained=True)
    assert not trace.exists(), "code of the file was run"
    assert isinstance(caught.value, Error) and str(file) in str(caught.value)
    assert "\n" not in str(caught.value) and "remove it" in str(caught.value)
    assert sorted(file.parent.iterdir()) == before


class Touches:
    """What runs code where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))

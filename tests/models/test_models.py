"""Architectures against counts made elsewhere, shapes, and the registry's own facts."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from specbias.models import MODELS, build_model
from specbias.settings import SettingError

PARAMETERS = {"small_cnn": 72_954, "resnet18": 11_173_962}


def test_every_model_has_its_published_number_of_parameters():
    for name in MODELS:
        model = build_model(name, num_classes=10, image_size=32)
        assert sum(p.numel() for p in model.parameters()) == PARAMETERS[name], name


def test_resnet18_is_torchvisions_but_for_the_first_layer():
    from torchvision.models import resnet18

    theirs = resnet18(num_classes=10)
    first = sum(p.numel() for p in theirs.conv1.parameters()) - 3 * 64 * 9
    assert sum(p.numel() for p in theirs.parameters()) - first == PARAMETERS["resnet18"]


@pytest.mark.parametrize("name", MODELS)
def test_every_model_maps_images_of_any_size_to_logits_at_any_width(name):
    for width, size, classes in ((4, 32, 10), (6, 64, 7), (4, 8, 2)):
        model = build_model(name, num_classes=classes, image_size=size, width=width)
        assert model(torch.randn(2, 3, size, size)).shape == (2, classes)
        assert next(m for m in model.modules() if isinstance(m, nn.Conv2d)).out_channels == width


@pytest.mark.parametrize("name", MODELS)
def test_the_cost_that_plans_rest_on_is_the_counted_one(name):
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        build_model(name, num_classes=10, image_size=32).eval()(torch.zeros(1, 3, 32, 32))
    assert MODELS[name].megaflops == pytest.approx(counter.get_total_flops() / 1e6, rel=0.01)


def test_an_unknown_model_lists_the_known_ones():
    with pytest.raises(SettingError, match="unknown model 'vit'; known: small_cnn, resnet18"):
        build_model("vit", num_classes=10, image_size=32)

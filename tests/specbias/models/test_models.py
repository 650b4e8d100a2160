"""Architectures against counts made elsewhere, shapes, and the registry's own facts."""

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.flop_counter import FlopCounterMode

from specbias.data import load_data
from specbias.models import MODELS, build_model
from specbias.settings import SettingError
from specbias.settings.config import TrialConfig
from specbias.settings.registry import load
from specbias.training.check import complete_config

PARAMETERS = {
    "small_cnn": 72_954,
    "airbench": 1_972_802,
    "resnet18": 11_173_962,
    "resnet20": 269_722,
    "wrn_16_4": 3_084_762,
    "wrn_28_2": 1_553_626,
    "wrn_28_10": 38_547_674,
    "wrn_40_2": 2_329_562,
    "shake_shake_32": 2_923_162,
    "shake_shake_96": 26_192_922,
    "shake_shake_112": 35_640_442,
    "pyramid_net": 26_210_842,
    "vgg16": 14_724_042,
    "vit": 4_015_498,
}
SHAKEN = ("shake_shake_32", "pyramid_net")  # draw random numbers in training
ZERO_HEADS = ("wrn_28_2", "shake_shake_32", "pyramid_net", "vit")
KINDS = ("small_cnn", "airbench", "resnet18", "resnet20", "vgg16", *ZERO_HEADS)  # one of each architecture


def whole(name, **settings):
    """The network at its published width, without the cost of its weights."""
    with torch.device("meta"):
        return build_model(name, num_classes=10, image_size=32, **settings)


def narrow(name, num_classes=10, width=4, **settings):
    """A network of seconds: few channels, and fewer layers where the published ones are hundreds."""
    model = MODELS[name]
    fewer = {"depth": 20} if name == "pyramid_net" else {}
    width = 32 if name == "vit" else width
    return load(model.factory)(num_classes=num_classes, width=width, **{**model.arguments, **fewer}, **settings)


@pytest.mark.parametrize("name", MODELS)
def test_every_model_has_its_published_parameters_cost_and_shape(name):
    model = whole(name).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        logits = model(torch.zeros(1, 3, 32, 32, device="meta"))
    assert sum(p.numel() for p in model.parameters()) == PARAMETERS[name]
    assert MODELS[name].megaflops == pytest.approx(counter.get_total_flops() / 1e6, rel=0.005)
    assert logits.shape == (1, 10)


def test_resnet18_is_torchvisions_but_for_the_first_layer():
    from torchvision.models import resnet18

    theirs = resnet18(num_classes=10)
    first = sum(p.numel() for p in theirs.conv1.parameters()) - 3 * 64 * 9
    assert sum(p.numel() for p in theirs.parameters()) - first == PARAMETERS["resnet18"]


def test_vgg16_is_torchvisions_but_for_the_head_and_the_biases_before_batch_norm():
    from torchvision.models import vgg16_bn

    with torch.device("meta"):
        theirs = vgg16_bn().features
    shapes = [m.weight.shape for m in theirs if not isinstance(m, (nn.ReLU, nn.MaxPool2d))]
    own = [m.weight.shape for m in whole("vgg16").features if not isinstance(m, (nn.ReLU, nn.MaxPool2d))]
    assert own == shapes and [type(m) for m in whole("vgg16").features] == [type(m) for m in theirs]


@pytest.mark.parametrize("name", KINDS)
def test_every_model_maps_images_of_any_size_to_logits_at_any_width(name):
    for width, size, classes in ((4, 32, 10), (3, 48, 7), (2, 9, 2)):
        with torch.device("meta"):
            model = narrow(name, num_classes=classes, width=width)
            assert model(torch.randn(2, 3, size, size)).shape == (2, classes)
        channels = {m.out_channels for m in model.modules() if isinstance(m, nn.Conv2d)}
        assert (32 if name == "vit" else width) in channels


@pytest.mark.parametrize("name", KINDS)
def test_every_model_learns(name):
    """A batch of small digits seen again and again: every weight has a gradient, and the loss falls."""
    torch.manual_seed(0)
    data = load_data(TrialConfig(dataset="digits", train_size=30))
    images, labels = data.normalise(data.train.images)[:, :, ::2, ::2], data.train.labels
    model = narrow(name)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    for _ in range(40 if name == "vit" else 12):
        loss = cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
    assert losses[-1] < 0.85 * losses[0]


@pytest.mark.parametrize("name", KINDS)
def test_the_last_layer_starts_at_zero_where_the_registry_says_so(name):
    logits = narrow(name)(torch.randn(2, 3, 16, 16))
    assert torch.equal(logits, torch.zeros(2, 10)) == MODELS[name].zero_head == (name in ZERO_HEADS)


def test_the_same_training_has_one_identity_where_the_last_layer_starts_at_zero_anyway():
    for name in KINDS:
        asked, not_asked = (complete_config(TrialConfig(model=name, zero_head=zero)) for zero in (True, False))
        assert (asked.trial_id == not_asked.trial_id) == (name in ZERO_HEADS)


@pytest.mark.parametrize("name", KINDS)
def test_dropout_is_before_the_last_layer_in_training_alone_and_at_zero_draws_nothing(name):
    seen, images = [], torch.randn(16, 3, 16, 16)
    model = narrow(name, dropout=0.25)
    (dropout,) = (m for m in model.modules() if isinstance(m, nn.Dropout))
    dropout.register_forward_hook(lambda module, inputs, output: seen.append((inputs[0], output)))
    last = [m for m in model.modules() if isinstance(m, nn.Linear)][-1]
    last.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    for training in (True, False):
        model.train(training)(images)
    (features, some), given, (same, kept), also = seen
    assert given is some and also is kept is same
    dropped = (some == 0) & (features != 0)
    assert 0.02 < dropped.float().mean() < 0.4
    assert torch.allclose(some, torch.where(dropped, 0, features / 0.75))

    def draws(model):
        before = torch.get_rng_state()
        model(images)
        return not torch.equal(torch.get_rng_state(), before)

    assert draws(model.train()) and not draws(model.eval())
    assert draws(narrow(name, dropout=0.0)) == (name in SHAKEN)


def test_dropout_and_width_reach_the_network_by_name():
    model = build_model("wrn_28_2", num_classes=10, image_size=32, width=8, dropout=0.3)
    assert [m.p for m in model.modules() if isinstance(m, nn.Dropout)] == [0.3]
    assert model.blocks[0].conv1.out_channels == 8 and len(model.blocks) == 12


def test_what_cannot_be_is_said():
    with pytest.raises(
        SettingError,
        match="unknown model 'vgg': .* known: small_cnn, resnet18, .*:NAME, FILE.py:FUNCTION$",
    ):
        build_model("vgg", num_classes=10, image_size=32)
    with pytest.raises(SettingError, match="width=40: vit needs a multiple of 32"):
        build_model("vit", num_classes=10, image_size=32, width=40)
    with pytest.raises(ValueError, match="image_size 4: vgg16 needs at least 8"):
        build_model("vgg16", num_classes=10, image_size=4)
    for name in ("wrn_28_2", "pyramid_net"):
        with pytest.raises(ValueError, match="depth 30: a"):
            load(MODELS[name].factory)(num_classes=10, width=4, depth=30)

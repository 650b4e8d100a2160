"""Every architecture and every intervention trains on real CIFAR-10, a few steps each."""

from dataclasses import replace

import pytest
import torch

from specbias.data import Split, load_data
from specbias.settings.config import TrialConfig
from specbias.training.check import complete_config
from specbias.training.distillation import build_distillation
from specbias.training.interventions import INTERVENTIONS
from specbias.training.label_noise import build_label_noise
from specbias.training.penalties import PENALTIES
from specbias.training.train import new_state, train
from specbias.trials.trial import new_model

pytestmark = pytest.mark.slow
TINY = {"epochs": 2, "train_size": 64, "batch_size": 32, "flip_crop": 0, "model": "small_cnn", "width": 4}
NARROW = {"resnet18": 2, "airbench": 4, "vgg16": 2, "wrn_28_2": 2, "shake_shake_32": 2, "pyramid_net": 2, "vit": 32}
CHANGES = [{name: 1} for name in INTERVENTIONS if name != "own_strength"] + [{name: 0.01} for name in PENALTIES]
CHANGES += [{"model": name, "width": width} for name, width in NARROW.items()]
CHANGES += [{"label_noise": 0.2}, {"dropout": 0.3}, {"generation": 1}, {"optimizer": "adamw"}, {"lookahead": 0.5}]


@pytest.fixture(scope="module")
def images(cifar_directory):
    """Sixty-four training images, loaded once."""
    data = load_data(TrialConfig(**TINY))
    few = {name: Split(*(part[:64] for part in split)) for name, split in data.splits.items()}
    return replace(data, **few)


@pytest.mark.parametrize("changed", CHANGES, ids=str)
def test_it_trains_on_cifar10(images, changed, tmp_path):
    config = TrialConfig(**TINY | changed)
    if config.generation:
        torch.save(new_model(config, images).state_dict(), tmp_path / "teacher.pt")
        config = complete_config(replace(config, teacher=str(tmp_path / "teacher.pt")))
    state = new_state(new_model(config, images), config)
    before = torch.cat([p.detach().flatten().clone() for p in state.model.parameters()])
    for _ in train(state, images, build_label_noise(config, images), build_distillation(config)):
        assert 0 < state.training_loss < 20
    assert not torch.equal(before, torch.cat([p.detach().flatten() for p in state.model.parameters()]))

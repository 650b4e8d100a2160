"""What the registries say of a config, before torch or data are touched."""

import subprocess
import sys

import pytest

from specbias.check import check_config, training_images
from specbias.config import TrialConfig
from specbias.settings import SettingError


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"dataset": "mnist"}, "unknown data set 'mnist'; known: cifar10, cifar100, digits"),
        ({"model": "vgg"}, "unknown model 'vgg'; known: small_cnn, resnet18"),
        ({"model": "torchvision:resnet18", "width": 8}, "width=8: torchvision:resnet18 is taken as it is"),
        ({"model": "torchvision:resnet18", "dropout": 0.1}, "dropout=0.1: torchvision:resnet18 is taken as it is"),
        ({"model": "vit", "width": 48}, "width=48: vit needs a multiple of 32"),
        ({"train_size": 45_001}, "train_size=45001: cifar10 has 45000 training images"),
        ({"train_size": 100}, "batch_size=128: more than the 100 training images"),
        ({"dataset": "digits", "probe_pairs": 15}, "probe_pairs=15: .* so at most 14"),
        ({"noise_class": 10}, "noise_class=10: cifar10 has classes 0 to 9"),
        ({"mixup": 0.4, "cutmix": 1}, "mixup=0.4 cutmix=1.0: a trial takes one of the two, set the other to 0"),
        ({"autoaugment": 1, "randaugment": 4}, "autoaugment=1.0 randaugment=4.0: a trial takes one"),
        ({"cutout": 33}, "cutout=33: more than the image's 32 pixels"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(settings, said):
    with pytest.raises(SettingError, match=said) as error:
        check_config(TrialConfig(**settings))
    assert "\n" not in str(error.value)


def test_torchvisions_models_have_no_width_to_fill_in_and_are_planned_without_torch():
    code = (
        "import sys\n"
        "from specbias.check import check_config, complete_config\n"
        "from specbias.config import TrialConfig\n"
        "config = complete_config(TrialConfig(model='torchvision:resnet18'))\n"
        "check_config(config)\n"
        "assert config.width is None\n"
        "assert not {'torch', 'torchvision'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_legacy_split_has_all_50_000_images():
    config = TrialConfig(legacy_split=True, train_size=50_000)
    check_config(config)
    assert training_images(config) == 50_000 == training_images(TrialConfig(legacy_split=True))

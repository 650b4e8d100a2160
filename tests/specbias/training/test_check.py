"""What the registries say of a config, before torch or data are touched."""

import subprocess
import sys
from dataclasses import replace

import pytest

from specbias.settings import SettingError
from specbias.settings.config import TrialConfig
from specbias.training.check import check_classes, check_config, complete_config, training_images
from specbias.trials.class_config import ClassConfig


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"dataset": "mnist"}, "unknown data set 'mnist'; known: cifar10, cifar100, digits"),
        ({"model": "vgg"}, "unknown model 'vgg': did you mean vgg16. known: small_cnn, resnet18"),
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
        "from specbias.training.check import check_config, complete_config\n"
        "from specbias.settings.config import TrialConfig\n"
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


def test_cutmix_comes_last_in_complete_trials_alone_whose_identity_says_so():
    """What has no choice in its identity was made when there was none, and keeps meaning what it did."""
    old = TrialConfig(cutmix=1.0)
    assert old.identity(1) == "f215d1ce120c"  # SHA-256 of {"cutmix": 1.0}
    assert not old.mix_last and complete_config(old).mix_last
    assert complete_config(old).trial_id != replace(complete_config(old), mix_last=False).trial_id
    assert complete_config(complete_config(old)) == complete_config(old)
    assert not complete_config(TrialConfig(mixup=0.4)).mix_last  # as in the paper's code


def test_how_what_is_not_done_is_done_is_no_part_of_the_identity():
    asked = {"mix_last": True, "mixing_probability": 0.5, "policy_source": "torchvision"}
    assert complete_config(TrialConfig(**asked)) == complete_config(TrialConfig())
    of_mixing = complete_config(TrialConfig(mixup=0.4, **asked))
    assert (of_mixing.mix_last, of_mixing.mixing_probability, of_mixing.policy_source) == (True, 0.5, "code")
    assert complete_config(TrialConfig(autoaugment=1.0, **asked)).policy_source == "torchvision"


def test_a_band_beyond_every_path_is_refused_with_the_numbers_where_paths_are_measured():
    for config in (TrialConfig(spacing=20.0), ClassConfig(part="frequency", probe_pairs=0, spacing=20.0)):
        with pytest.raises(SettingError, match="band=0.05: .* at spacing=20 they end at 0.025 cycles"):
            check_classes(config)
    with pytest.raises(SettingError, match="band=0.05: .* at spacing=10 they end at 0.05 cycles"):
        check_classes(TrialConfig(spacing=10.0))  # nothing is above the highest frequency
    check_classes(TrialConfig(spacing=9.9))
    check_classes(TrialConfig(spacing=20.0, probe_pairs=0))
    check_classes(TrialConfig(spacing=20.0, path_samples=9))  # their spacing is then another
    check_classes(TrialConfig(spacing=20.0, band=0.01))

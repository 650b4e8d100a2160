"""What no plan can be made of is refused in one line, which says what is possible."""

import pytest

from specbias.settings import SettingError
from tests.sweeps.test_plan import plan


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"preset": "huge", "quick": False}, "unknown preset 'huge'; known: paper, gpu, study, laptop, quick"),
        ({"preset": "paper"}, "--quick is --preset quick"),
        ({"dataset": "mnist"}, "unknown data set 'mnist'; known: cifar10, cifar100, digits"),
        ({"model": "vgg"}, "unknown model 'vgg': did you mean vgg16. known: small_cnn, resnet18"),
        ({"interventions": "mixup,magic"}, "unknown intervention 'magic'; known: epochs, .*mixup"),
        ({"interventions": "mixup,cutmix"}, "--interventions cutmix: --preset paper and gpu have it, this one has epo"),
        ({"interventions": "jacobian_images"}, "no preset has it, .*; --grid jacobian_images=V1,V2 tries levels"),
        ({"set": ("lr=0.1",)}, "unknown setting 'lr': did you mean learning_rate. known: dataset"),
        ({"interventions": ","}, "--interventions: none named"),
        (
            {"interventions": "flip_crop", "set": ("flip_crop=0",)},
            "--interventions flip_crop: no level differs from .* 0",
        ),
        ({"experiment": "../elsewhere"}, "--experiment ../elsewhere: letters, digits"),
        ({"interventions": "mixup", "grid": ("width=4",)}, "give one of --grid, --interventions"),
        ({"recipe": "slow"}, "unknown recipe 'slow'; known: paper, fast"),
        ({"set": ("randaugment_layers=1",)}, "--set randaugment_layers=1: no trial uses it"),
        ({"grid": ("cutout=0,4",), "set": ("cutout=8",)}, "--set cutout=8: no trial uses it"),
        ({"grid": ("generation=0,1",), "set": ("teacher_id=0",)}, "--set teacher_id=0: no trial uses it"),
        ({"set": ("teacher=nowhere.pt",)}, "--set teacher=nowhere.pt: no trial uses it"),
        (
            {"grid": ("generation=0,1",), "set": ("teacher=nowhere.pt",)},
            "teacher=nowhere.pt: there is no file of weights",
        ),
        ({"set": ("wdith=3",)}, "unknown setting 'wdith': did you mean width. known: dataset"),
        ({"set": ("width",)}, "--set width: expected NAME=VALUE"),
        ({"set": ("width=x",)}, "width=x: not a whole number or none"),
        ({"grid": ("wdith=3",)}, "unknown setting 'wdith'"),
        ({"grid": ("width=",)}, "--grid width=: no values"),
        ({"grid": ("width=4", "width=8")}, "--grid width is given twice"),
        ({"grid": ("seed=1,2",)}, "ask for them with --seeds N"),
        ({"grid": ("epochs=1,0",)}, "epochs=0: must be at least 1"),
        ({"epochs": 0}, "epochs=0: must be at least 1"),
        ({"search": "bayes"}, "unknown search 'bayes'; known: grid, random, optuna"),
        ({"num_samples": 3}, "--num-samples belongs to --search random"),
        ({"search": "random", "num_samples": 0}, "--num-samples 0: must be from 1"),
        ({"seeds": 0}, "--seeds 0: must be at least 1"),
        ({"max_concurrent": 0}, "--max-concurrent 0: must be at least 1"),
        ({"cpus_per_trial": 0}, "--cpus-per-trial 0: must be at least 1"),
        ({"gpus_per_trial": 1.5}, "--gpus-per-trial 1.5: must be a whole number, or a fraction between 0 and 1"),
        ({"gpus_per_trial": "-1"}, "--gpus-per-trial -1: must be a whole number"),
        ({"gpus_per_trial": "nan"}, "--gpus-per-trial nan: must be a whole number"),
        ({"gpus_per_trial": "all"}, "--gpus-per-trial all: must be a whole number, or a fraction .*, or auto"),
        ({"grid": ("measurement_epochs=0,1",)}, "measurement_epochs is a list itself"),
        ({"grid": ("threads=1,2",)}, "threads is one for the whole sweep"),
        ({"search": "random", "set": ("legacy_split=true",)}, "legacy_split has no validation images to search on"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(options, said):
    with pytest.raises(SettingError, match=said) as error:
        plan(**options)
    assert "\n" not in str(error.value)

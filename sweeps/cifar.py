"""Do interventions that raise test accuracy change the frequency of the learned function?

The question of "Spectral Bias in Practice" (Fridovich-Keil et al., NeurIPS 2022), on CIFAR-10. Each trial trains a
network with one intervention and measures its frequency within and between classes during training. The paper finds
that networks that generalise better have a higher frequency between classes and a lower one within them.

  python sweeps/cifar.py --quick       15 small trials on scikit-learn's digits, about 2 minutes on 2 cores
  python sweeps/cifar.py               CIFAR-10: ResNet-18 with a GPU, otherwise 12 small trials, about an hour
  python analysis/interventions.py --experiment cifar-quick      the figure
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace
from typing import Any

from specbias.data import facts_of
from specbias.settings import SettingError
from specbias.settings.config import TrialConfig
from specbias.settings.recipes import RECIPES
from sweeps.kinds.classifier import CLASSIFIER, widths
from sweeps.service.study import Preset, Settings, Study


def interventions(base: Any) -> dict[str, list]:
    """What a trial changes, one setting at a time: setting -> levels, for a complete TrialConfig."""
    return {
        "epochs": _shares(base.epochs, (1 / 5, 1 / 2), least=1),
        "train_size": _shares(base.train_size, (1 / 8, 1 / 3), least=base.batch_size),
        "width": widths(base),
        "weight_decay": [0.0],
        "flip_crop": [0],
        "cutout": [0, 16],
        "mixup": [0.4],
        "label_smoothing": [0.0, 0.1],
    }


def more_interventions(base: Any) -> dict[str, list]:
    """The levels for a GPU: all kinds of intervention, more finely."""
    return interventions(base) | {
        "epochs": _shares(base.epochs, (1 / 20, 1 / 8, 1 / 4, 1 / 2), least=1),
        "train_size": _shares(base.train_size, (1 / 32, 1 / 8, 1 / 4, 1 / 2), least=base.batch_size),
        "weight_decay": [0.0, 1e-4, 2e-3],
        "cutout": [0, 8, 16],
        "mixup": [0.1, 0.4, 1.0],
        "cutmix": [{"cutmix": 1.0, "mixing_probability": 0.5}],
        "image_frequency": [4.0],
        "autoaugment": [1.0],
        "randaugment": [{"randaugment": magnitude, "policy_source": "torchvision"} for magnitude in (2.0, 4.0, 8.0)],
        "augmix": [3.0],
        "gaussian_noise": [0.1],
        "label_smoothing": [0.0, 0.05, 0.1, 0.2],
        "generation": [1, 2],
    }


def paper_interventions(base: Any) -> dict[str, list]:
    """What the paper and its code vary, and as finely; levels that neither gives are ours."""
    sizes = _shares(base.train_size, (1 / 45, 1 / 9, 2 / 9, 5 / 9), least=base.batch_size)
    more = more_interventions(base)
    widths = more.pop("width")  # in a random search no model of one width is drawn at another's
    return more | {
        "epochs": [*_shares(base.epochs, (1 / 20, 1 / 4), least=1), 4 * base.epochs],
        "model": [{"width": width} for width in widths]
        + ["wrn_28_2", "wrn_28_10", "shake_shake_32", "shake_shake_96", "shake_shake_112"]
        + [{"model": "pyramid_net", "batch_size": 64}, "vgg16", "vit"],
        "train_size": [*sizes, *({"train_size": size, "equal_steps": True} for size in sizes)],
        "learning_rate": [0.01, 0.03],
        "weight_decay": [0.0, 1e-5, 1e-4, 1e-3, 5e-3],
        "dropout": [0.3],
        "flip_crop": [0, {"flip_crop": 0, "cutout": 0}],
        "cutout": [0],
        "image_frequency": [{"image_frequency": 4.0, "image_frequency_share": share} for share in (0.0, 0.5, 1.0)],
        "randaugment": [2.0, 4.0, 8.0, {"randaugment": 4.0, "randaugment_layers": 1}],
        "spectral_penalty": [0.01],
        "jacobian_penalty": [0.01],
        "path_penalty": [0.1],
        "generation": [1, 2, 3, *({"generation": 1, "distillation": share} for share in (0.25, 0.5, 0.75))],
    }


def quick_interventions(base: Any) -> dict[str, list]:
    """Enough levels of two interventions for a rank correlation each, and one of the others."""
    return interventions(base) | {
        "epochs": _shares(base.epochs, (1 / 5, 1 / 3, 1 / 2, 3 / 4), least=1),
        "train_size": [size for size in (100, 200, 400, 700) if base.batch_size <= size < base.train_size],
        "width": widths(base)[-1:],
    }


def study_interventions(base: Any) -> dict[str, list]:
    """What eight kinds of intervention change, as finely as two CPU cores can in some hours: docs/study.md."""
    return {
        "width": widths(base, (1 / 2, 3 / 2, 2, 4)),
        "epochs": [*_shares(base.epochs, (1 / 8, 1 / 4, 1 / 2), least=1), 2 * base.epochs],
        "train_size": _shares(base.train_size, (1 / 16, 1 / 8, 1 / 3, 2 / 3), least=base.batch_size),
        "weight_decay": [0.0, 2e-3],
        "flip_crop": [0],
        "cutout": [8],
        "mixup": [0.4],
        "autoaugment": [1.0],
        "label_smoothing": [0.0],
        "dropout": [0.2],
        "generation": [1, 2],
    }


def search_space(trial: Any, base: Any) -> Settings:
    """What an optimiser chooses: how strongly to regularise, and of two kinds of augmentation none or one each."""
    found: Settings = {
        "learning_rate": trial.suggest_float(
            "learning_rate", base.learning_rate / 10, 3 * base.learning_rate, log=True
        ),
        "weight_decay": trial.suggest_float("weight_decay", 1e-5, 1e-2, log=True),
        "label_smoothing": trial.suggest_float("label_smoothing", 0.0, 0.2),
        "cutout": trial.suggest_int("cutout", 0, 16, step=4),
    }
    kinds = {
        "mixing": {"mixup": (0.1, 1.0), "cutmix": (0.1, 1.0)},
        "policy": {"autoaugment": (0.2, 1.0), "randaugment": (1.0, 10.0), "augmix": (1.0, 10.0)},
    }
    for kind, strengths in kinds.items():
        found |= {name: 0.0 for name in strengths if getattr(base, name)}
        if (chosen := trial.suggest_categorical(kind, ["none", *strengths])) != "none":
            found[chosen] = trial.suggest_float(chosen, *strengths[chosen])
    if found.get("randaugment"):
        found["randaugment_layers"] = trial.suggest_int("randaugment_layers", 1, 3)
        found["policy_source"] = "torchvision"  # whose magnitude is a strength
    return found


def search_base(baseline: TrialConfig, chosen: Container[str]) -> TrialConfig:
    """Return the baseline of a search: its paths join validation images, as many as there are for."""
    if "probe_split" in chosen and baseline.probe_split != "validation":
        found = f"--set probe_split={baseline.probe_split}: a search measures the validation images that it chooses by"
        raise SettingError(f"{found}, and those of the test split at the end; leave it out")
    if "probe_pairs" in chosen:
        return replace(baseline, probe_split="validation")
    most = facts_of(baseline.dataset, baseline.selection).probe_supply["validation"] // 2
    return replace(baseline, probe_split="validation", probe_pairs=min(baseline.probe_pairs, most))


# What a search may look at: measured on training or validation images alone.
SEARCHABLE = (
    *(f"generalization/{split}_{what}" for split in ("validation", "train") for what in ("accuracy", "loss")),
    *(
        f"frequency/{kind}_class{form}"
        for kind in ("within", "between")
        for form in (
            *("", "/ends_correct", "/fixed_band", "/mirror", "/hann", "/detrend", "/mean_frequency"),
            *("/total_variation", "/crossings", "/sharpness"),
        )
    ),
)


def _shares(whole: int, shares: tuple[float, ...], *, least: int) -> list[int]:
    """Return those shares of a whole, rounded down, that are at least `least` and less than the whole."""
    return sorted({size for share in shares if least <= (size := int(whole * share)) < whole})


PRESETS = {
    "paper": Preset(RECIPES["paper"] | {"model": "resnet18", "probe_pairs": 200}, paper_interventions),
    "gpu": Preset(RECIPES["fast"] | {"model": "resnet18", "probe_pairs": 200}, more_interventions),
    "study": Preset(
        RECIPES["fast"] | {"model": "airbench", "width": 8, "epochs": 8, "measurement_epochs": (1, 2, 4)},
        study_interventions,
        seeds=2,
    ),
    "laptop": Preset({"model": "small_cnn", "epochs": 15, "probe_pairs": 10}, interventions),
    "quick": Preset(
        {
            "dataset": "digits",
            "model": "small_cnn",
            "width": 8,
            "epochs": 20,
            "batch_size": 50,
            "flip_crop": 2,
            "probe_pairs": 4,
        },
        quick_interventions,
    ),
}

STUDY = Study(
    name="cifar",
    question=__doc__,
    kind=CLASSIFIER,
    presets=PRESETS,
    choose_preset=lambda gpus: "gpu" if gpus else "laptop",
    columns={
        "generalization/test_accuracy": "accuracy",
        "frequency/within_class": "within",
        "frequency/between_class": "between",
    },
    objective={"generalization/validation_accuracy": "max"},
    searchable=SEARCHABLE,
    search_space=search_space,
    search_base=search_base,
)

if __name__ == "__main__":
    from sweeps.service.command_line import main

    main(STUDY)

"""TrialConfig against its laws: round trip, identity, and one line for every value that cannot be."""

import csv
import dataclasses
import hashlib
import json
from pathlib import Path

import pytest

from specbias.settings import SettingError
from specbias.settings.config import TrialConfig
from specbias.settings.measurement import NetworkConfig
from specbias.trials.class_config import ClassConfig


def test_from_dict_undoes_to_dict():
    config = TrialConfig(width=8, mixup=0.5, measurement_epochs=(0, 3), train_size=10)
    assert TrialConfig.from_dict(config.to_dict()) == config


def test_unknown_setting_lists_the_known_ones():
    with pytest.raises(SettingError, match=r"unknown setting 'widht': did you mean width. known: dataset, .*width"):
        TrialConfig.from_dict({"widht": 3})


def test_equal_settings_have_one_identity_however_they_are_written():
    assert TrialConfig(mixup=1).trial_id == TrialConfig(mixup=1.0).trial_id
    assert TrialConfig(measurement_epochs=[3, 1]).trial_id == TrialConfig(measurement_epochs=(1, 3)).trial_id
    assert TrialConfig(width=8).trial_id != TrialConfig(width=9).trial_id


def test_every_setting_is_part_of_the_identity_but_where_the_teacher_is():
    other = {"dataset": "digits", "model": "small_cnn", "device": "cuda", "precision": "bf16"}
    other |= {"zero_head": True, "alternating_flip": True, "compile": True, "teacher": "a.pt", "teacher_id": "0"}
    other |= {"measure_compile": True}
    other |= {"mix_last": True, "mixing_probability": 0.5, "policy_source": "torchvision"}
    other |= {"warmup": 0.5, "lookahead": 0.5, "distillation": 0.5, "own_intervention": "own:blur"}
    other |= {
        "memory_format": "contiguous_format",
        "measurement_epochs": (1,),
        "legacy_split": True,
        "label_smoothing": 0.5,
        "probe_split": "train",
        "optimizer": "adamw",
        "equal_steps": True,
        "stop_accuracy": 0.5,
        "pairing": "official",
        "signal": "margin",
        "path_samples": 9,
        "image_size": 8,
        "classes": 2,
        "classes_id": "0",
        "extra_test": "v6",
        "measure_precision": "float32",
        "float32_layers": "last",
        "image_frequency_probability": 0.5,
        "image_frequency_share": 0.1,
        "image_frequency_smoothing": 0.1,
        "label_noise": 0.5,
        "noise_type": "uniform",
        "noise_normalise": "batch",
        "dropout": 0.5,
    }
    for field in dataclasses.fields(TrialConfig):
        value = other[field.name] if field.name in other else (field.default or 0) + 1
        same = TrialConfig(**{field.name: value}).identity(1) == TrialConfig().identity(1)
        assert same == (field.name == "teacher"), field.name


def test_a_new_field_at_its_default_keeps_the_old_identities():
    @dataclasses.dataclass(frozen=True)
    class Later(TrialConfig):
        sharpness: float = 0.0

    assert Later(width=8).trial_id == TrialConfig(width=8).trial_id
    assert Later(width=8, sharpness=1.0).trial_id != TrialConfig(width=8).trial_id


def test_a_class_that_only_changes_a_default_keeps_the_range():
    @dataclasses.dataclass(frozen=True)
    class Longer(TrialConfig):
        epochs: int = 90

    assert Longer().epochs == 90
    with pytest.raises(SettingError, match="epochs=0: must be at least 1"):
        Longer(epochs=0)


def test_composed_settings_come_in_the_order_of_the_columns_of_recorded_trials():
    with (Path(__file__).parents[3] / "docs/study/records.csv").open(newline="") as file:
        columns = next(csv.reader(file))
    names = [*TrialConfig().to_dict()]
    assert [name for name in names if name in columns] == [name for name in columns if name in names]
    assert names[0] == "dataset" and names[-1] == "compile"


def test_the_settings_of_a_network_come_in_the_order_of_its_flags():
    order = "model model_args checkpoint weights_key network_size"
    order += " dataset labels labels_key severity space class_map extra_test image_size"
    order += " input_mean input_std outputs answers expect_accuracy class_outputs"
    order += " split pairs pairing until_se seed spacing path_samples signal band"
    order += " fourier local jacobian keep_paths projections batch_size"
    order += " device precision float32_layers threads compile"
    assert [*NetworkConfig().to_dict()] == order.split()


def test_identities_of_the_first_measure_are_those_of_the_first_release():
    assert TrialConfig().identity(1) == "44136fa355b3"  # SHA-256 of {}
    assert TrialConfig(width=8, epochs=3).identity(1) == "a02a3683e40a"  # of {"epochs": 3, "width": 8}


def test_the_version_of_the_measure_is_in_the_identity_and_the_record_of_what_measures_paths_alone():
    now = hashlib.sha256(json.dumps({"measure_version": 2, "width": 8}).encode()).hexdigest()[:12]
    assert TrialConfig(width=8).trial_id == now != TrialConfig(width=8).identity(1)
    pathless = TrialConfig(probe_pairs=0)
    assert pathless.trial_id == pathless.identity(1) and pathless.as_record() == pathless.to_dict()
    for config in (TrialConfig(), NetworkConfig(), ClassConfig(part="frequency", probe_pairs=0)):
        assert config.as_record() == config.to_dict() | {"measure_version": 2}
    assert ClassConfig(part="diversity").measure_version == 1 == ClassConfig(probe_pairs=0).measure_version


def test_the_recorded_trials_of_the_study_keep_their_identities():
    """Every eighth, from the settings of its record: those that are newer than the record are at their defaults."""
    with (Path(__file__).parents[3] / "docs/study/records.csv").open(newline="") as file:
        rows = {row["trial_id"]: row for row in csv.DictReader(file)}
    assert len(rows) > 90
    for trial_id, row in [*rows.items()][::8]:
        kind = ClassConfig if row["study"] == "imagenet" else TrialConfig
        named = {field.name: row.get(field.name) for field in dataclasses.fields(kind)}
        said = {name: text for name, text in named.items() if text}
        values = {name: json.loads(text) if text[0] == "[" else kind.parse(name, text) for name, text in said.items()}
        assert kind(**values).identity(int(row["measure_version"] or 1)) == trial_id, row["label"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"epochs": 0}, "epochs=0: must be at least 1"),
        ({"learning_rate": float("nan")}, "learning_rate=nan: must be above 0"),
        ({"dropout": 1.0}, "dropout=1.0: must be at least 0 and below 1"),
        ({"label_smoothing": 1.5}, "label_smoothing=1.5: must be between 0 and 1"),
        ({"autoaugment": 1.5}, "autoaugment=1.5: must be between 0 and 1"),
        ({"randaugment": 11}, "randaugment=11.0: must be between 0 and 10"),
        ({"epochs": 2.5}, "epochs=2.5: not a whole number"),
        ({"epochs": True}, "epochs=True: not a whole number"),
        ({"width": "wide"}, "width='wide': not a whole number or none"),
        ({"measurement_epochs": (-1, 9)}, r"measurement_epochs=\(-1, 9\): must be at least 0"),
        ({"label_noise": 0.6}, "label_noise=0.6: must be between 0 and 0.5"),
        ({"noise_type": "white"}, "noise_type=white: must be one of radial, random, fourier, f, 1/f, uniform"),
        ({"noise_frequency": 0}, "noise_frequency=0.0: must be above 0"),
        ({"noise_class": -1}, "noise_class=-1: must be at least 0, or None for all"),
        ({"precision": "fp8"}, "precision=fp8: must be float32 or bf16"),
    ],
)
def test_a_value_that_cannot_be_is_refused_in_one_line(settings, said):
    with pytest.raises(SettingError, match=said) as error:
        TrialConfig(**settings)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("epochs", "12", 12),
        ("mixup", "0.5", 0.5),
        ("width", "none", None),
        ("legacy_split", "true", True),
        ("model", "resnet18", "resnet18"),
        ("measurement_epochs", "0,1,5", (0, 1, 5)),
    ],
)
def test_command_line_text_becomes_the_fields_type(name, text, value):
    assert TrialConfig.parse(name, text) == value


@pytest.mark.parametrize(("name", "text"), [("epochs", "x"), ("legacy_split", "maybe"), ("epochs", "none")])
def test_command_line_text_of_another_type_is_refused(name, text):
    with pytest.raises(SettingError, match=f"{name}={text}: not"):
        TrialConfig.parse(name, text)


@pytest.mark.parametrize(
    ("epochs", "asked", "measured"),
    [
        (1, (), (0, 1)),
        (20, (), (0, 1, 2, 5, 10, 20)),
        (30, (), (0, 1, 2, 5, 10, 20, 30)),
        (200, (), (0, 1, 2, 5, 10, 20, 50, 100, 200)),
        (30, (3, 4), (3, 4, 30)),
        (3, (0, 2, 5), (0, 2, 3)),
    ],
)
def test_measured_epochs_are_about_logarithmic_and_end_with_the_last(epochs, asked, measured):
    assert TrialConfig(epochs=epochs, measurement_epochs=asked).epochs_to_measure == measured

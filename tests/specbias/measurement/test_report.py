"""The record of any function: its numbers are those of the paths, rounds stop where asked, and bad input is said."""

import dataclasses
import json
import re

import numpy as np
import pytest
import torch

from specbias.data import Data, Split, load_data
from specbias.measurement.fourier import measure_fourier
from specbias.measurement.jacobian import jacobian_norm
from specbias.measurement.local import measure_local
from specbias.measurement.report import measure_function
from specbias.models import build_model
from specbias.settings import SettingError
from specbias.settings.config import TrialConfig
from specbias.settings.measurement import MeasureSettings


@pytest.fixture(scope="module")
def data():
    return load_data(TrialConfig(dataset="digits", batch_size=2))


def random_network(images):
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.randn(size, generator=generator) for size in ((3072, 30), (30, 10)))
    return torch.tanh(images.flatten(1) @ first / 20) @ second


def test_the_record_holds_means_counts_and_standard_errors_of_its_own_paths(data):
    record, arrays = measure_function(random_network, data, MeasureSettings(pairs=4))
    json.dumps(record, allow_nan=False)
    assert record["within_class"]["n_paths"] == 40 and record["between_class"]["n_paths"] == 180
    for kind, group in (("within_class", "per_class"), ("between_class", "per_class_pair")):
        found = record[kind]
        assert found["high_frequency_share"] == pytest.approx(arrays[f"frequency/{kind}/share"].mean())
        assert found["total_variation"] == pytest.approx(arrays[f"frequency/{kind}/total_variation"].mean())
        assert found["n_samples"] == arrays[f"frequency/{kind}/samples"].sum()
        assert set(found["standard_errors"]) == set(found["ends_correct"]["standard_errors"])
        shares = [one["high_frequency_share"] for one in record[group].values()]
        assert np.mean(shares) == pytest.approx(found["high_frequency_share"])
    assert set(record["per_class"]) == set("0123456789")
    assert "3-7" in record["per_class_pair"] and len(record["per_class_pair"]) == 45
    predicted = random_network(data.normalise(data.test.images)).argmax(1)
    assert record["accuracy"] == pytest.approx((predicted == data.test.labels).double().mean().item())
    assert record["settings"]["pairing"] == "official" and record["settings"]["pairs"] == 4


def test_a_band_that_no_path_can_tell_is_refused_with_the_numbers(data):
    nearer = "end at 0.49. cycles .* give a --band in between, or samples nearer to each other \\(--spacing"
    for band, said in ((0.001, "begin at 0.0.* give a --band in between$"), (0.5, nearer), (0.6, nearer)):
        with pytest.raises(SettingError, match=f"band={band}: no path of within_class tells .* 1 to 1 apart.*{said}"):
            measure_function(random_network, data, MeasureSettings(pairs=1, band=band))


def test_images_of_one_tone_are_too_near_for_the_default_band_and_the_message_has_one_that_will_do():
    images = np.random.default_rng(0).normal(128, 12, (8, 8, 8)).round().astype(np.uint8)
    labels = np.arange(8) % 2
    none = Split(images[:0], labels[:0])
    grey = Data(none, none, Split(images, labels), mean=(0.5,) * 3, std=(0.225,) * 3, num_classes=2)

    def network(shown):
        return shown.flatten(1)[:, :2]

    with pytest.raises(SettingError, match="give a --band in between$") as error:
        measure_function(network, grey, MeasureSettings(pairs=1))
    first, last = (float(each) for each in re.findall(r"(?:begin|end) at ([\d.]+)", str(error.value)))
    assert 0.05 < first < last < 0.5
    record, _ = measure_function(network, grey, MeasureSettings(pairs=1, band=(first + last) / 2))
    assert record["within_class"]["n_without_band"] == 0


def test_paths_that_cannot_tell_the_band_are_left_out_and_counted(data):
    """In the middle of the paths' first bins."""
    record, arrays = measure_function(random_network, data, MeasureSettings(pairs=2))
    lowest = 0.5 / arrays["frequency/within_class/samples"]
    band = float(np.median(lowest))
    some, arrays = measure_function(random_network, data, MeasureSettings(pairs=2, band=band))
    shares = arrays["frequency/within_class/fixed_band"]
    assert np.array_equal(np.isnan(shares), lowest > band) and 0 < np.isnan(shares).sum() < len(shares)
    for boundary in ("mirror", "hann", "detrend"):  # a path has all its shares or none
        others = arrays[f"frequency/within_class/{boundary}/fixed_band"]
        assert np.array_equal(np.isnan(others), np.isnan(shares))
    assert (
        some["within_class"]["n_without_band"] == np.isnan(shares).sum()
        and not record["within_class"]["n_without_band"]
    )
    assert some["within_class"]["fixed_band"] == pytest.approx(np.nanmean(shares))
    assert some["within_class"]["high_frequency_share"] == record["within_class"]["high_frequency_share"]


def of_examples(arrays):
    return sum(len(arrays[f"examples/{kind}/logits"]) for kind in ("within_class", "between_class"))


def test_until_se_stops_early_and_says_what_that_saved(data):
    asked = []

    def predict(images):
        asked.append(len(images))
        return random_network(images)

    whole, every = measure_function(predict, data, MeasureSettings(pairs=25))
    all_images = sum(asked)
    asked.clear()
    some, arrays = measure_function(predict, data, MeasureSettings(pairs=25, until_se=0.02))
    assert some["within_class"]["n_paths"] < 250
    saved = all_images - of_examples(every) - (sum(asked) - of_examples(arrays))
    assert saved == some["forward_passes_saved"] > 0
    errors = [some[k]["standard_errors"]["high_frequency_share"] for k in ("within_class", "between_class")]
    n = some["between_class"]["n_paths"] // 45
    assert max(errors) < 0.02 and n in (5, 10, 20)
    if n > 5:  # half as many had not been enough
        before, _ = measure_function(random_network, data, MeasureSettings(pairs=n // 2))
        assert any(
            before[k]["standard_errors"]["high_frequency_share"] >= 0.02 for k in ("within_class", "between_class")
        )
    first, _ = measure_function(predict, data, MeasureSettings(pairs=n))
    assert some["between_class"]["mean_frequency"] == pytest.approx(first["between_class"]["mean_frequency"], abs=1e-6)
    assert some["until_se_reached"]
    never, _ = measure_function(predict, data, MeasureSettings(pairs=25, until_se=1e-9))
    assert never["forward_passes_saved"] == 0 and not never["until_se_reached"]
    assert never["within_class"]["n_paths"] == whole["within_class"]["n_paths"]


def test_every_other_measurement_is_there_where_asked_for(data):
    told = []
    record, arrays = measure_function(
        random_network,
        data,
        MeasureSettings(pairs=1, fourier=3, local=2, jacobian=4, signal="margin"),
        on_images=lambda done, total: told.append((done, total)),
    )
    assert record["jacobian_norm"] > 0
    assert 0 < record["fourier"]["phase"]["high_frequency_share"] < 1
    assert record["local"]["mean_frequency"] >= 0 and arrays["local/energy"].shape == (65,)
    assert told[-1][0] == told[-1][1] and all(total == told[0][1] for _, total in told)


def test_what_is_asked_for_besides_is_of_the_split_and_seed_asked_for(data):
    settings = {"split": "validation", "pairs": 1, "jacobian": 5, "projections": 3, "fourier": 4, "local": 2, "seed": 7}
    record, arrays = measure_function(random_network, data, MeasureSettings(**settings))
    common = {"split": "validation", "seed": 7, "batch_size": 256}
    assert record["fourier"] == measure_fourier(random_network, data, pairs=4, **common)[0]
    assert np.array_equal(
        arrays["local/energy"], measure_local(random_network, data, images=2, **common)[1]["local/energy"]
    )
    images = data.normalise(data.validation.images[:5])
    twin = jacobian_norm(random_network, images, batch_size=256, projections=3, seed=7)
    assert record["jacobian_norm"] == twin
    assert twin != jacobian_norm(random_network, images, batch_size=256)


def test_a_second_test_set_is_evaluated_too(data):
    both = dataclasses.replace(data, extra=data.validation)
    record, _ = measure_function(random_network, both, MeasureSettings(pairs=1))
    validation, _ = measure_function(random_network, data, MeasureSettings(pairs=1, split="validation"))
    assert record["extra_accuracy"] == validation["accuracy"] and "extra_accuracy" not in validation


def test_a_network_in_training_mode_is_refused_and_left_as_it_is(data):
    model = build_model("small_cnn", num_classes=10, image_size=32, width=4)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(SettingError, match="in training mode"):
        measure_function(model, data, MeasureSettings(pairs=1))
    measure_function(model.eval(), data, MeasureSettings(pairs=1))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_what_is_undefined_is_none(data):
    """A function that is never right: no path has both its ends correct."""

    def wrong(images):
        return torch.zeros(len(images), 10).index_fill(1, torch.tensor([0]), 1.0)

    record, _ = measure_function(wrong, data, MeasureSettings(pairs=1))
    assert record["between_class"]["ends_correct"]["high_frequency_share"] is None
    assert record["between_class"]["ends_correct"]["n_paths"] == 0
    json.dumps(record, allow_nan=False)


def test_a_function_with_other_outputs_is_refused(data):
    with pytest.raises(SettingError, match=r"outputs of shape \(7,\) per image, the data set has 10 classes"):
        measure_function(lambda x: torch.zeros(len(x), 7), data, MeasureSettings(pairs=1))
    with pytest.raises(FloatingPointError, match="not finite"):
        measure_function(lambda x: torch.full((len(x), 10), float("inf")), data, MeasureSettings(pairs=1))


@pytest.mark.parametrize("name", ["fourier", "local", "jacobian"])
def test_more_images_than_there_are_is_said_before_anything_is_measured(data, name):
    with pytest.raises(SettingError, match=f"{name}=700: needs [0-9]+ images, there are 602"):
        measure_function(None, data, MeasureSettings(pairs=1, **{name: 700}))


def test_identical_images_are_left_out_counted_and_leave_no_nan(data):
    images = data.test.images.clone()
    images[data.test.labels == 4] = images[data.test.labels == 4][0]
    same = dataclasses.replace(data, test=data.test._replace(images=images))
    record, _ = measure_function(random_network, same, MeasureSettings(pairs=2))
    assert record["within_class"]["n_left_out"] == 2 and record["within_class"]["n_paths"] == 18
    assert "4" not in record["per_class"]
    json.dumps(record, allow_nan=False)


def test_pairs_left_out_are_counted_only_as_far_as_pairs_were_measured(data):
    """With the first ten images of every class alike, the first round of until_se finds no path within a class."""
    images = data.test.images.clone()
    for label in range(10):
        rows = (data.test.labels == label).nonzero().flatten()
        images[rows[:10]] = images[rows[0]].clone()
    same = dataclasses.replace(data, test=data.test._replace(images=images))
    late, _ = measure_function(random_network, same, MeasureSettings(pairs=20, until_se=0.05))
    assert late["within_class"]["n_left_out"] == 50 and late["within_class"]["n_paths"] >= 50
    turned = dataclasses.replace(same, test=type(same.test)(same.test.images.flip(0), same.test.labels.flip(0)))
    early, _ = measure_function(random_network, turned, MeasureSettings(pairs=29, until_se=0.5))
    assert early["within_class"]["n_left_out"] == 0 and early["within_class"]["n_paths"] == 50


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"pairs": 0}, "pairs=0: must be at least 1"),
        ({"pairing": "none"}, "pairing=none: must be random or official"),
        ({"spacing": -1.0}, "spacing=-1.0: must be above 0 and finite"),
        ({"until_se": 0.0}, "until_se=0.0: must be above 0 and finite"),
        ({"path_samples": 3}, "path_samples=3: must be at least 4"),
        ({"signal": "loss"}, "signal=loss: must be probabilities or logits or margin"),
    ],
)
def test_settings_out_of_range_are_said(settings, said):
    with pytest.raises(SettingError, match=said):
        MeasureSettings(**settings)

"""Scalars of every path and their means, against one path after another in numpy; and a wave planted in a function."""

import numpy as np
import pytest
import torch

from specbias.data import load_data
from specbias.measurement.frequency import frequency_arrays, frequency_metrics, measure_pairs
from specbias.measurement.pairs import choose_probes
from specbias.measurement.path_values import joined, rows_of_classes, summarise
from specbias.measurement.standard_error import ratio_standard_error
from specbias.settings.config import BAND, TrialConfig


@pytest.fixture(scope="module")
def data():
    return load_data(TrialConfig(dataset="digits", batch_size=2))


def random_network(images):
    """Any smooth function: two layers with fixed random weights."""
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.randn(size, generator=generator) for size in ((3072, 30), (30, 10)))
    return torch.tanh(images.flatten(1) @ first / 20) @ second


def measured(data, predict=random_network, correct=None, **settings):
    signal = settings.pop("signal", "probabilities")
    probes = choose_probes(data, **{"pairs": 2} | settings)
    correct = torch.ones(len(data.test.labels), dtype=torch.bool) if correct is None else correct
    return {
        kind: measure_pairs(
            predict, data, probes, getattr(probes, kind), correct=correct, signal=signal, batch_size=100
        )
        for kind in ("within_class", "between_class")
    }


def signals_one_by_one(data, values, predict=random_network):
    """Yield step and probabilities (T, 10) of every path, from the images it names."""
    pairs = values.pairs
    for row in range(len(pairs)):
        ends = data.normalise(data.test.images[[int(pairs.first[row]), int(pairs.second[row])]]).double()
        distance, step = pairs.distance[row].item(), pairs.step[row].item()
        weight = (torch.arange(int(pairs.samples[row])) * step / distance).view(-1, 1, 1, 1)
        yield step, torch.softmax(predict((ends[0] + weight * (ends[1] - ends[0])).float()).double(), 1).numpy()


def above_band(amplitude, length, band=0.05):
    """The share above the band: bin k goes from (k - 1/2) / length to (k + 1/2) / length."""
    edges = (np.arange(len(amplitude) + 1) - 0.5) / length
    within = np.minimum(np.maximum(edges[1:] - band, 0), np.diff(edges)) / np.diff(edges)
    return (within * amplitude).sum() / amplitude.sum()


@pytest.mark.parametrize("settings", [{}, {"spacing": 2.5}, {"path_samples": 12}])
def test_every_scalar_of_every_path_equals_a_twin(data, settings):
    values = measured(data, **settings)["between_class"]
    for row, (step, p) in enumerate(signals_one_by_one(data, values)):
        amplitude = np.abs(np.fft.rfft(p, axis=0)).mean(1)
        bins = np.fft.rfftfreq(len(p), step)
        found = {name: value[row] for name, value in values.scalars.items()}
        assert found["mean_frequency"] == pytest.approx((bins * amplitude).sum() / amplitude.sum(), abs=1e-6)
        assert found["amplitude"] == pytest.approx(amplitude.sum(), rel=1e-5)
        length = step * (len(p) - 1)
        assert found["total_variation"] == pytest.approx(np.abs(np.diff(p, axis=0)).sum() / length, rel=1e-3)
        both_ways = np.concatenate([p, p[::-1]]) - p.mean(0)
        mirrored = np.abs(np.fft.rfft(both_ways, axis=0)).mean(1)
        assert found["mirror/fixed_band"] == pytest.approx(above_band(mirrored, 2 * len(p) * step), abs=1e-4)
        assert found["fixed_band"] == pytest.approx(above_band(amplitude, len(p) * step), abs=1e-5)
        twin = (np.fft.rfftfreq(2 * len(p), step) * mirrored).sum() / mirrored.sum()
        assert found["mirror/mean_frequency"] == pytest.approx(twin, abs=1e-5)


def test_means_pool_spectra_and_average_shares(data):
    values = measured(data)["within_class"]
    means = summarise(values).means
    spectra = [
        (np.fft.rfftfreq(len(p), step), np.abs(np.fft.rfft(p, axis=0)).mean(1))
        for step, p in signals_one_by_one(data, values)
    ]
    pooled = sum((f * a).sum() for f, a in spectra) / sum(a.sum() for _, a in spectra)
    assert means["mean_frequency"] == pytest.approx(pooled, abs=1e-6)
    shares = [a[int(np.ceil(0.1 * len(a))) : -1].sum() / a.sum() for _, a in spectra]
    assert means["high_frequency_share"] == pytest.approx(np.mean(shares), abs=1e-6)
    assert summarise(values).samples == int(values.pairs.samples.sum())


@pytest.mark.parametrize("frequency", [0.1, 0.25, 0.4])
def test_a_wave_planted_in_the_function_is_found_at_its_frequency(data, frequency):
    """The logits swing along the direction of one path; on that path the spectrum peaks at the planted frequency."""
    probes, row = choose_probes(data, pairs=2), 11
    start, end = data.normalise(
        data.test.images[[int(probes.between_class.first[row]), int(probes.between_class.second[row])]]
    )
    direction = (end - start).flatten() / (end - start).norm()

    def predict(images):
        swing = 0.05 * torch.sin(2 * torch.pi * frequency * (images - start).flatten(1) @ direction)
        return torch.stack([swing, -swing], 1).repeat(1, 5)

    values = measured(data, predict)["between_class"]
    for boundary in ("periodic", "hann"):
        spectrum = values.spectra[boundary][row]
        assert values.axis[spectrum[2:].argmax() + 2] == pytest.approx(frequency, abs=0.015)
    assert values.scalars["hann/mean_frequency"][row] == pytest.approx(frequency, abs=0.02)


def test_only_paths_between_images_classified_correctly_count_as_such(data):
    correct = torch.zeros(len(data.test.labels), dtype=torch.bool)
    probes = choose_probes(data, pairs=2)
    chosen = [0, 7, 31]
    correct[probes.between_class.first[chosen]] = True
    correct[probes.between_class.second[chosen]] = True
    found = measured(data, correct=correct)
    values = found["between_class"]
    assert np.array_equal(values.scalars["first_correct"], correct[values.pairs.first].numpy())
    assert np.array_equal(values.scalars["second_correct"], correct[values.pairs.second].numpy())
    both = [bool(correct[a] & correct[b]) for a, b in zip(values.pairs.first, values.pairs.second, strict=True)]
    assert values.ends_correct.tolist() == both and values.scalars["first_correct"].sum() > sum(both)
    metrics = frequency_metrics(found)
    share = values.scalars["share"]
    assert metrics["frequency/between_class/ends_correct"] == pytest.approx(share[values.ends_correct].mean())
    assert metrics["frequency/between_class"] == pytest.approx(share.mean())


def test_without_a_correct_pair_that_metric_is_left_out_and_nothing_is_nan(data):
    none = torch.zeros(len(data.test.labels), dtype=torch.bool)
    found = measured(data, correct=none)
    metrics, arrays = frequency_metrics(found), frequency_arrays(found)
    assert not [key for key in metrics if key.endswith("ends_correct")]
    assert all(np.isfinite(value) for value in metrics.values())
    assert all(np.isfinite(v).all() for k, v in arrays.items() if v.dtype.kind != "U" and not k.endswith("/width"))


@pytest.mark.parametrize("boundary", ["", "mirror/", "hann/", "detrend/"])
def test_mean_frequencies_and_their_errors_weigh_a_path_by_its_amplitude(data, boundary):
    values = measured(data)["between_class"]
    summary = summarise(values)
    frequency, weight = (values.scalars[f"{boundary}{name}"] for name in ("mean_frequency", "amplitude"))
    name = f"{boundary}mean_frequency"
    assert summary.means[name] == pytest.approx(np.average(frequency, weights=weight))
    images = values.pairs.first.numpy(), values.pairs.second.numpy()
    assert summary.standard_errors[name] == ratio_standard_error(frequency * weight, weight, *images)
    assert summary.standard_errors[name] != pytest.approx(frequency.std(ddof=1) / len(frequency) ** 0.5, rel=1e-3)


def test_the_error_of_a_spectrum_is_that_of_each_of_its_amplitudes_over_images(data):
    values = measured(data, pairs=5, spacing=2.0)["between_class"]
    arrays = frequency_arrays({"between_class": values})
    ends = values.pairs.first.numpy(), values.pairs.second.numpy()
    for boundary, place in (("periodic", ""), ("hann", "hann/")):
        errors = arrays[f"frequency/between_class/standard_error/{place}spectrum"]
        amplitudes = values.spectra[boundary]
        assert errors.shape == arrays["frequency/axis"].shape
        for bin in (0, 7, 50):
            twin = ratio_standard_error(amplitudes[:, bin], np.ones(len(amplitudes)), *ends)
            assert errors[bin] == pytest.approx(twin, abs=1e-12)


def test_the_axis_ends_where_every_path_still_reaches(data):
    found = measured(data, path_samples=10)
    highest = min((0.5 / values.pairs.step).min().item() for values in found.values())
    assert [values.axis[-1] for values in found.values()] == pytest.approx([highest] * 2)


def test_metric_keys_are_the_houses(data):
    metrics = frequency_metrics(measured(data))
    tails = ("", "/fixed_band", "/mirror", "/hann", "/detrend", "/mean_frequency", "/total_variation", "/ends_correct")
    tails += ("/crossings", "/sharpness")
    kinds = ("within_class", "between_class")
    assert set(metrics) == {f"frequency/{kind}{tail}" for kind in kinds for tail in tails}


def test_rounds_joined_are_the_whole(data):
    probes = choose_probes(data, pairs=4)
    correct = torch.ones(len(data.test.labels), dtype=torch.bool)
    pairs = probes.between_class
    parts = [
        measure_pairs(random_network, data, probes, pairs.take(rows), correct=correct, batch_size=100)
        for rows in (pairs.number < 1, pairs.number >= 1)
    ]
    whole = measure_pairs(random_network, data, probes, pairs, correct=correct, batch_size=100)
    first, second = (summarise(values) for values in (joined(parts), whole))
    assert first.means == pytest.approx(second.means, rel=1e-5, abs=1e-6) and first.samples == second.samples
    assert first.standard_errors == pytest.approx(second.standard_errors, rel=1e-4, abs=1e-6)


def test_spectra_per_class_pair_average_to_the_whole(data):
    found = measured(data)
    arrays = frequency_arrays(found)
    assert arrays["frequency/band"] == BAND and arrays["frequency/signal"] == "probabilities"  # with which it was made
    for kind, groups in (("within_class", 10), ("between_class", 45)):
        assert arrays[f"frequency/{kind}/classes"].shape == (groups, 2)
        for boundary in ("", "/mirror", "/hann", "/detrend"):
            per_classes = arrays[f"frequency/{kind}{boundary}/spectrum_per_classes"]
            assert per_classes.mean(0) == pytest.approx(arrays[f"frequency/{kind}{boundary}/spectrum"], abs=1e-12)
    rows = rows_of_classes(found["between_class"].pairs)[2, 5]
    assert set(found["between_class"].pairs.first_class[rows].tolist()) == {2}
    assert set(found["between_class"].pairs.second_class[rows].tolist()) == {5}


def test_other_signals_are_measured_too(data):
    shares = {s: frequency_metrics(measured(data, signal=s)) for s in ("probabilities", "logits", "margin")}
    assert len({round(found["frequency/between_class"], 6) for found in shares.values()}) == 3


def test_all_metrics_move_little_when_the_paths_are_sampled_in_another_batch(data):
    probes = choose_probes(data, pairs=2)
    correct = torch.ones(len(data.test.labels), dtype=torch.bool)
    found = [
        summarise(
            measure_pairs(random_network, data, probes, probes.within_class, correct=correct, batch_size=size)
        ).means
        for size in (17, 400)
    ]
    assert found[0] == pytest.approx(found[1], rel=1e-4, abs=1e-5)

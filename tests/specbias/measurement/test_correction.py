"""Means by few paths in float32 and the others in half precision: those of float32, with errors that say how surely."""

import dataclasses

import numpy as np
import pytest
import torch

from specbias.data import load_data
from specbias.measurement.correction import column, corrected, enough, error_of_correction, fewest, in_turn
from specbias.measurement.frequency import frequency_arrays, measure_pairs
from specbias.measurement.pairs import choose_probes
from specbias.measurement.path_values import joined, rows_of_classes, summarise
from specbias.measurement.standard_error import ratio_standard_error
from specbias.settings.config import TrialConfig


@pytest.fixture(scope="module")
def data():
    return load_data(TrialConfig(dataset="digits", batch_size=2))


def random_network(images):
    """Any smooth function: two layers with fixed random weights."""
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.randn(size, generator=generator) for size in ((3072, 30), (30, 10)))
    return torch.tanh(images.flatten(1) @ first / 20) @ second


def rounded(images):
    """The network, rounded so coarsely that every scalar moves."""
    return (random_network(images) * 8).round() / 8


def not_finite(images):
    return random_network(images) / 0


def measured(data, predict, exactly=None, *, kind="between_class"):
    probes = choose_probes(data, pairs=3)
    correct = torch.ones(len(data.test.labels), dtype=torch.bool)
    pairs = getattr(probes, kind)
    return measure_pairs(predict, data, probes, pairs, exactly=exactly, correct=correct, batch_size=200)


@pytest.fixture(scope="module")
def exact(data):
    return measured(data, random_network)


def drawn(paths, few, generator):
    stands_for = np.zeros(paths)
    stands_for[generator.choice(paths, few, replace=False)] = paths / few
    return stands_for


def test_the_mean_is_that_of_all_in_half_and_the_mean_difference_of_some():
    generator = np.random.default_rng(0)
    exact, half = generator.random((2, 60, 3))
    stands_for = drawn(60, 12, generator)
    some = stands_for > 0
    best = np.where(some[:, None], exact, half)
    twin = half.mean(axis=0) + (exact - half)[some].mean(axis=0)
    assert corrected(best, half[some], stands_for).mean(axis=0) == pytest.approx(twin, abs=1e-14)
    moved = corrected(np.where(some, half[:, 0] + 0.2, half[:, 0]), half[some, 0], stands_for)
    assert moved == pytest.approx(half[:, 0] + 0.2, abs=1e-14)  # alike on all paths: known of all
    assert error_of_correction(np.full(12, 0.2), stands_for) == pytest.approx(0, abs=1e-15)


def test_over_many_draws_means_are_right_and_vary_as_the_error_says():
    """The truth is the mean of these very paths: textbook variance of a finite population, and no bias."""
    generator = np.random.default_rng(1)
    half = generator.random(80)
    exact = half + 0.1 + 0.2 * generator.random(80) ** 3
    means, errors = [], []
    for _ in range(2000):
        stands_for = drawn(80, 20, generator)
        some = stands_for > 0
        means.append(corrected(np.where(some, exact, half), half[some], stands_for).mean())
        errors.append(error_of_correction((exact - half)[some], stands_for))
    textbook = np.sqrt((1 - 20 / 80) * (exact - half).var(ddof=1) / 20)
    assert np.mean(means) == pytest.approx(exact.mean(), abs=4 * textbook / 2000**0.5)
    assert np.std(means) == pytest.approx(textbook, rel=0.05)
    assert np.mean(np.square(errors)) ** 0.5 == pytest.approx(textbook, rel=0.05)


def test_errors_over_images_hold_both_parts():
    """Of pairs of new paths and new draws: the scatter of corrected means is what their standard errors say."""
    generator = np.random.default_rng(2)
    means, errors, plain = [], [], []
    for _ in range(1000):
        exact = generator.normal(size=100)
        half = exact + 0.5 * generator.normal(size=100) + 1
        stands_for = drawn(100, 20, generator)
        some = stands_for > 0
        found = corrected(np.where(some, exact, half), half[some], stands_for)
        means.append(found.mean())
        errors.append(ratio_standard_error(found, np.ones(100), *np.arange(200).reshape(2, 100)))
        plain.append(exact.mean())
    assert np.std(means) == pytest.approx(np.sqrt(1 / 100 + 0.25 * 0.8 / 20), rel=0.07)
    assert np.mean(np.square(errors)) ** 0.5 == pytest.approx(np.std(means), rel=0.07)
    assert np.std(means) > 1.3 * np.std(plain)


def test_paths_are_taken_alike_from_all_pairs_of_classes_and_in_the_same_turn(data):
    pairs = choose_probes(data, pairs=6).between_class
    turn = in_turn(pairs)
    assert np.array_equal(turn, in_turn(pairs)) and sorted(turn) == [*range(len(pairs))]
    for count in (45, 90, 200):
        taken = [np.isin(rows, turn[:count]).sum() for rows in rows_of_classes(pairs).values()]
        assert max(taken) - min(taken) <= 1
    assert (fewest(30), fewest(200), fewest(9000)) == (30, 40, 450)


def test_as_many_are_needed_as_let_the_error_grow_by_a_tenth():
    difference = np.random.default_rng(3).normal(size=50)
    needed = enough(difference, 0.1, 2000)
    of_correction = (1 - needed / 2000) * difference.var(ddof=1) / needed
    assert np.sqrt(0.1**2 + of_correction) == pytest.approx(1.1 * 0.1, rel=0.002)
    assert enough(np.zeros(50), 0.1, 2000) == 0 and enough(difference, None, 2000) == 2000


def test_means_are_those_of_float32_and_values_say_what_they_are(data, exact):
    half, both = measured(data, rounded), measured(data, rounded, random_network)
    some = both.half.stands_for > 0
    assert 40 <= some.sum() < len(some)
    truth, wrong, found = (summarise(values) for values in (exact, half, both))
    for name in ("total_variation", "mirror", "hann", "detrend/mean_frequency"):
        moved, error = found.corrections[name]
        assert abs(found.means[name] - truth.means[name]) < 4 * error
        assert found.means[name] - moved == pytest.approx(wrong.means[name])
        assert abs(wrong.means[name] - truth.means[name]) > 5 * error  # it was needed
        assert found.standard_errors[name] < 1.25 * truth.standard_errors[name]
    assert found.in_float32 == some.sum()
    for name, values in both.scalars.items():
        assert values[some] == pytest.approx(exact.scalars[name][some], rel=1e-4, abs=1e-6, nan_ok=True)
        if name in ("crossings", "outside", "through", "width"):  # of classes that float32 decides
            continue
        assert np.array_equal(values[~some], half.scalars[name][~some], equal_nan=True)
        assert np.array_equal(both.half.scalars[name], half.scalars[name][some], equal_nan=True)
    arrays = frequency_arrays({"between_class": both})
    prefix = "frequency/between_class"
    share = column(arrays, prefix, "share")
    assert share.mean() == pytest.approx(found.means["high_frequency_share"])
    above, below = column(arrays, prefix, "mean_frequency", weight="amplitude"), column(arrays, prefix, "amplitude")
    assert above.sum() / below.sum() == pytest.approx(found.means["mean_frequency"])
    spectra = [each.spectra["mirror"].mean(axis=0) for each in (exact, half)] + [arrays[f"{prefix}/mirror/spectrum"]]
    assert np.abs(spectra[2] - spectra[0]).sum() < np.abs(spectra[1] - spectra[0]).sum() / 3


def test_half_precision_that_is_exact_changes_nothing(data, exact):
    both = measured(data, random_network, random_network)
    first, second = summarise(exact), summarise(both)
    assert second.means == pytest.approx(first.means)
    assert second.standard_errors == pytest.approx(first.standard_errors, rel=0.01)
    assert all(moved == pytest.approx((0, 0), abs=1e-12) for moved in second.corrections.values())
    every_other = np.arange(len(exact.pairs)) % 2 == 0
    assert summarise(both, every_other).means == pytest.approx(summarise(exact, every_other).means)


def test_over_few_paths_and_in_rounds_means_are_the_same_formula(data, exact):
    """The paths of a class, or of rounds with other numbers in float32: their own mean and what float32 says."""
    both = measured(data, rounded, random_network)
    parts = [dataclasses.replace(both), measured(data, rounded, random_network, kind="within_class")]
    values = joined(parts)
    assert len(values.half.stands_for) == len(values.pairs)
    assert values.half.stands_for.sum() == pytest.approx(len(values.pairs))
    rows = next(iter(rows_of_classes(both.pairs).values()))
    found, truth = (summarise(values, rows).means["mirror"] for values in (both, exact))
    assert 0 < abs(found - truth) < 4 * summarise(both, rows).corrections["mirror"][1]


def test_half_precision_that_is_not_finite_goes_on_in_float32(data, exact):
    both = measured(data, not_finite, random_network)
    assert not both.half.finite and (both.half.stands_for == 1).all()
    assert summarise(both).means == pytest.approx(summarise(exact).means)
    with pytest.raises(FloatingPointError):
        measured(data, not_finite)
    with pytest.raises(FloatingPointError):
        measured(data, not_finite, not_finite)


def test_where_two_classes_are_nearly_alike_float32_says_which_is_predicted(data, exact):
    """Noise smaller than what is near, as rounding is, makes crossings that are none, on paths in half precision."""

    def trembling(images):
        logits = random_network(images)
        return logits + 0.004 * logits.abs().amax(1, keepdim=True) * torch.sin(1e6 * logits)

    alone, both = measured(data, trembling), measured(data, trembling, random_network)
    wrong, right = (values.scalars["crossings"] != exact.scalars["crossings"] for values in (alone, both))
    assert wrong.sum() > 5 and not right.any() and np.array_equal(both.crossed_into, exact.crossed_into)
    assert not np.array_equal(both.scalars["share"], exact.scalars["share"])

"""Two networks on the same paths: a planted difference is found, where the two means alone would not show it."""

import numpy as np
import pytest

from specbias.measurement.paired import paired_difference, unpaired_difference


def arrays(values, images, correct=True, signal="probabilities"):
    count = len(values)
    return {
        "frequency/signal": np.array(signal),
        "frequency/within_class/first_image": images[0],
        "frequency/within_class/second_image": images[1],
        "frequency/within_class/samples": np.full(count, 70),
        "frequency/within_class/share": values,
        "frequency/within_class/first_correct": np.broadcast_to(correct, count),
        "frequency/within_class/second_correct": np.ones(count, dtype=bool),
    }


@pytest.fixture
def planted():
    """The paths differ far more from each other than the networks do: the second is 0.01 above the first."""
    generator = np.random.default_rng(0)
    images = np.arange(400).reshape(2, 200)
    common = generator.normal(0.2, 0.1, size=200)
    return images, common, common + 0.01 + generator.normal(0, 0.02, size=200)


def test_a_difference_far_below_the_spread_of_the_paths_is_found(planted):
    images, first, second = planted
    found = paired_difference(arrays(first, images), arrays(second, images), kind="within_class")
    assert found.statistic == pytest.approx(np.mean(second - first)) and found.n == 200
    assert abs(found.statistic - 0.01) < 2 * found.standard_error < 0.004
    assert first.std() / 200**0.5 > 0.006  # either mean alone


def test_only_paths_that_both_get_right_are_compared_where_asked(planted):
    images, first, second = planted
    right = np.arange(200) % 2 == 0
    found = paired_difference(
        arrays(first, images, right), arrays(second, images), kind="within_class", both_correct=True
    )
    assert found.n == 100 and found.statistic == pytest.approx(np.mean((second - first)[::2]))


def test_paths_of_only_one_measurement_are_left_out(planted):
    """One stopped earlier than the other, and lists its paths in another order."""
    images, first, second = planted
    fewer = np.arange(150)[::-1]
    found = paired_difference(arrays(first, images), arrays(second[fewer], images[:, fewer]), kind="within_class")
    assert found.n == 150 and found.statistic == pytest.approx(np.mean((second - first)[:150]))


def test_without_a_common_path_there_is_nothing_to_compare(planted):
    images, first, second = planted
    with pytest.raises(ValueError, match="no path on which both were measured"):
        paired_difference(arrays(first, images), arrays(second, images + 1000), kind="within_class")
    with pytest.raises(ValueError, match="the first is of the signal probabilities, the second of the signal logits"):
        paired_difference(arrays(first, images), arrays(second, images, signal="logits"), kind="within_class")
    with pytest.raises(ValueError, match="no path that both get right"):
        paired_difference(arrays(first, images, False), arrays(second, images), kind="within_class", both_correct=True)


def test_shares_of_two_versions_of_the_measure_are_not_compared_and_what_all_versions_have_is():
    first = {"frequency/signal": np.array("probabilities"), "frequency/measure_version": np.array(2)}
    names = ("first_image", "second_image", "samples", "share", "mirror/share", "fixed_band")
    first |= {f"frequency/within_class/{name}": np.arange(4.0) for name in names}
    older = {name: array for name, array in first.items() if name != "frequency/measure_version"}
    assert paired_difference(first, older, kind="within_class").n == 4
    with pytest.raises(
        ValueError, match="mirror/share: the first is of the measure's version 2, the second of the measure's version 1"
    ):
        paired_difference(first, older, kind="within_class", scalar="mirror/share")


def test_paths_without_a_value_in_one_are_left_out():
    first = {"frequency/signal": np.array("probabilities")}
    first |= {f"frequency/within_class/{name}": np.arange(4.0) for name in ("first_image", "second_image", "samples")}
    second = first | {"frequency/within_class/width": np.array([1.0, np.nan, 3.0, 4.0])}
    first |= {"frequency/within_class/width": np.array([0.0, 1.0, np.nan, 2.0])}
    found = paired_difference(first, second, kind="within_class", scalar="width")
    assert (found.n, found.statistic) == (2, 1.5)


def of_band(band, images, values):
    """What a network of version 2 has of shares above a band; None: from before the band was kept."""
    kept = {} if band is None else {"frequency/band": np.array(band)}
    shares = {f"frequency/within_class/{name}": values for name in ("fixed_band", "mirror/fixed_band")}
    return arrays(values, images) | shares | {"frequency/measure_version": np.array(2)} | kept


@pytest.mark.parametrize("scalar", ["fixed_band", "mirror/fixed_band"])
def test_shares_above_two_bands_are_not_compared_and_what_has_no_band_is(planted, scalar):
    images, first, second = planted
    low, high, old = of_band(0.05, images, first), of_band(0.2, images, second), of_band(None, images, second)
    assert paired_difference(low, high, kind="within_class").n == 200  # the released share
    assert paired_difference(low, old, kind="within_class").n == 200
    for other, said in (
        (high, "of the band above 0.05, the second of the band above 0.2"),
        (old, "band was kept: mea"),
    ):
        with pytest.raises(ValueError, match=f"{scalar}: the .*{said}"):
            paired_difference(low, other, kind="within_class", scalar=scalar)
    with pytest.raises(ValueError, match="the first was measured before the band was kept: measure again"):
        paired_difference(old, old, kind="within_class", scalar=scalar)  # of the same band, or not


def test_unpaired_the_same_difference_has_a_wider_interval(planted):
    images, first, second = planted
    of = arrays(first, images), arrays(second, images)
    paired, unpaired = (f(*of, kind="within_class") for f in (paired_difference, unpaired_difference))
    assert unpaired.statistic == pytest.approx(paired.statistic) and unpaired.n == 200
    assert unpaired.standard_error > 3 * paired.standard_error
    assert unpaired.interval[0] < paired.interval[0] < paired.statistic < paired.interval[1] < unpaired.interval[1]


def test_images_of_other_distances_are_not_the_same_though_their_numbers_are(planted):
    """The same rows of two data sets."""
    images, first, second = planted
    here, there = (
        arrays(values, images) | {"frequency/within_class/distance": np.full(200, length)}
        for values, length in ((first, 70.0), (second, 69.9))
    )
    with pytest.raises(ValueError, match="no path on which both were measured"):
        paired_difference(here, there, kind="within_class")


def test_a_mean_frequency_is_pooled_as_in_the_record_and_its_error_is_that_of_resampled_images():
    generator = np.random.default_rng(0)
    images = np.arange(600).reshape(2, 300)
    amplitudes = generator.uniform(0.1, 1, (2, 300))
    frequencies = generator.normal([[0.05], [0.06]], 0.01, (2, 300))
    of = [arrays(each, images) for each in frequencies]
    for each, amplitude, frequency in zip(of, amplitudes, frequencies, strict=True):
        each |= {"frequency/within_class/amplitude": amplitude, "frequency/within_class/mean_frequency": frequency}
    found = paired_difference(*of, kind="within_class", scalar="mean_frequency")
    pooled = (amplitudes * frequencies).sum(1) / amplitudes.sum(1)
    assert found.statistic == pytest.approx(pooled[1] - pooled[0])
    drawn = generator.integers(300, size=(2000, 300))
    again = (amplitudes * frequencies)[:, drawn].sum(2) / amplitudes[:, drawn].sum(2)
    assert found.standard_error == pytest.approx((again[1] - again[0]).std(), rel=0.06)


def test_classes_choose_the_paths_between_them(planted):
    images, first, second = planted
    classes = {f"frequency/within_class/{end}_class": np.arange(200) % 2 for end in ("first", "second")}
    of = arrays(first, images) | classes, arrays(second, images) | classes
    found = paired_difference(*of, kind="within_class", classes=(1, 1))
    assert found.n == 100 and found.statistic == pytest.approx(np.mean((second - first)[1::2]))


def test_few_paths_in_float32_correct_both_networks(planted):
    """Half precision moves the second network alone; over many draws of the few the difference is that of float32."""
    images, first, second = planted
    generator, found = np.random.default_rng(1), []
    for _ in range(200):
        few = generator.choice(200, 40, replace=False)
        stands_for = np.zeros(200)
        stands_for[few] = 5
        half = second + 0.05 + 0.02 * generator.random(200)
        sides = []
        for exact, rounded in ((first, first), (second, half)):
            best = np.where(stands_for > 0, exact, rounded)
            kept = {"stands_for": stands_for, "half/share": rounded[stands_for > 0]}
            sides.append(arrays(best, images) | {f"frequency/within_class/{name}": kept[name] for name in kept})
        found.append(paired_difference(*sides, kind="within_class"))
    assert np.mean([each.statistic for each in found]) == pytest.approx(np.mean(second - first), abs=2e-4)
    exact = paired_difference(arrays(first, images), arrays(second, images), kind="within_class").standard_error
    assert exact < np.mean([each.standard_error for each in found]) < 1.2 * exact

"""A difference's two parts sum to it, are what was planted, and have the intervals of a jackknife over images."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from analysis.inference.decomposition import CROSSINGS, InBoth, OnPaths, decompose, mean_of
from specbias.measurement.standard_error import ratio_standard_error

COVERAGE = runpy.run_path(str(Path(__file__).parent.parent / "coverage_of_parts.py"))


def network(generator, paths=300, *, most=6, weighted=True):
    weight = generator.random(paths) + 0.1 if weighted else np.ones(paths)
    return OnPaths(generator.integers(0, most, size=paths), generator.random(paths), weight)


def apart(paths):
    """No image is in two paths."""
    return np.arange(2 * paths).reshape(2, paths)


def by_hand(first, second):
    """The formula, a kind at a time."""
    composition = rates = 0.0
    tables = []
    for crossings, value, weight in (first, second):
        rows = [(min(c, 3), v, w) for c, v, w in zip(crossings, value, weight, strict=True)]
        table = {}
        for kind in range(4):
            weights = sum(w for k, _, w in rows if k == kind)
            mean = sum(v * w for k, v, w in rows if k == kind) / weights if weights else None
            table[kind] = (weights / sum(weight), mean)
        tables.append(table)
    for kind in range(4):
        (p0, r0), (p1, r1) = (table[kind] for table in tables)
        if r0 is None and r1 is None:
            continue
        r0, r1 = (r1 if r0 is None else r0), (r0 if r1 is None else r1)
        composition += (p1 - p0) * (r0 + r1) / 2
        rates += (r1 - r0) * (p0 + p1) / 2
    return composition, rates


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("most", [(6, 6), (6, 1), (2, 4), (1, 1)])
def test_the_parts_are_those_of_the_formula_and_sum_to_the_difference(most, weighted):
    generator = np.random.default_rng(0)
    first, second = (network(generator, most=each, weighted=weighted) for each in most)
    found = decompose([(first, second)], *apart(300))
    parts = found.composition.statistic, found.rates.statistic
    assert parts == pytest.approx(by_hand(first, second), abs=1e-14)
    difference = np.average(second.value, weights=second.weight) - np.average(first.value, weights=first.weight)
    assert abs(sum(parts) - difference) < 1e-12 and abs(found.whole.statistic - difference) < 1e-12
    for part in ("composition", "rates"):
        each = [getattr(kind, part).statistic for kind in found.by_crossings.values()]
        assert abs(sum(each) - getattr(found, part).statistic) < 1e-12
    assert [*found.by_crossings] == [*CROSSINGS] and found.n == 300 and found.images == 600


def test_where_only_one_of_the_two_changes_the_other_part_is_nothing():
    generator = np.random.default_rng(1)
    rates = np.array([0.0, 0.3, 0.4, 0.5])
    crossings, others = generator.integers(0, 4, size=(2, 200))
    one = np.ones(200)
    found = decompose([(OnPaths(crossings, rates[crossings], one), OnPaths(others, rates[others], one))], *apart(200))
    assert found.rates.statistic == pytest.approx(0, abs=1e-15) and found.composition.statistic != 0
    sharper = OnPaths(crossings, 1.5 * rates[crossings], one)
    found = decompose([(OnPaths(crossings, rates[crossings], one), sharper)], *apart(200))
    assert found.composition.statistic == 0 == found.composition.standard_error
    assert found.rates.statistic == pytest.approx(0.5 * rates[crossings].mean())


def test_a_kind_that_one_network_lacks_adds_to_composition_alone():
    """No path crosses at first, then every fourth does, with 0.4 instead of 0.1: 0.25 x (0.4 - 0.1)."""
    none, some = np.zeros(100), np.where(np.arange(100) % 4 == 0, 1, 0)
    one = np.ones(100)
    found = decompose([(OnPaths(none, 0.1 * one, one), OnPaths(some, 0.1 + 0.3 * some, one))], *apart(100))
    assert found.composition.statistic == pytest.approx(0.075) and found.rates.statistic == pytest.approx(0, abs=1e-15)
    assert found.by_crossings["1"].rate == pytest.approx((0.4, 0.4)) and found.by_crossings["1"].paths == (0, 25)


def test_the_part_of_a_kind_does_not_hang_on_where_a_value_is_0():
    generator = np.random.default_rng(2)
    first, second = network(generator), network(generator)
    found = decompose([(first, second)], *apart(300))
    moved = decompose([(first._replace(value=first.value + 7), second._replace(value=second.value + 7))], *apart(300))
    for kind, each in found.by_crossings.items():
        assert moved.by_crossings[kind].composition.statistic == pytest.approx(each.composition.statistic, abs=1e-12)
        assert moved.by_crossings[kind].composition.interval == pytest.approx(each.composition.interval, abs=1e-12)


def shared(generator, paths, images):
    """Two networks on paths that share images, which have effects on the crossings and on the value."""
    ends = np.stack([generator.permutation(np.arange(paths) % images) + side * images for side in (0, 1)])
    pair = []
    for strength in (1, 2):
        of_images = generator.normal(size=2 * images)[ends].sum(axis=0)
        crossings = np.digitize(of_images + generator.normal(size=paths), [-1, 1, 2])
        value = 5 + strength * of_images + crossings + generator.normal(size=paths)
        pair.append(OnPaths(crossings, value, np.ones(paths)))
    return tuple(pair), ends


def test_the_difference_has_the_error_of_a_paired_mean_over_images_that_paths_share():
    (first, second), ends = shared(np.random.default_rng(3), 400, 40)
    found, alone = decompose([(first, second)], *ends), decompose([(first, second)], *apart(400))
    asked = ratio_standard_error(second.value - first.value, np.ones(400), *ends)
    assert found.whole.standard_error == pytest.approx(asked, rel=1e-12)
    for part, free in zip(found.both, alone.both, strict=True):
        assert part.standard_error > 1.3 * free.standard_error  # paths taken as independent would be far too sure


def test_the_errors_are_what_leaving_out_one_image_and_one_path_at_a_time_comes_to():
    pair, ends = shared(np.random.default_rng(4), 250, 50)

    def variance(left_out):
        found = []
        for rows in left_out:
            sides = [OnPaths(*(np.delete(column, rows) for column in side)) for side in pair]
            each = decompose([tuple(sides)], *np.delete(ends, rows, axis=1))
            found.append((each.composition.statistic, each.rates.statistic))
        return np.square(np.array(found) - np.mean(found, axis=0)).sum(axis=0)

    images = variance(np.flatnonzero((ends == image).any(axis=0)) for image in range(100))
    paths = variance([path] for path in range(250))
    found = decompose([pair], *ends)
    errors = np.array([found.composition.standard_error, found.rates.standard_error])
    assert np.allclose(errors, np.sqrt(images - paths), rtol=0.05)


def test_of_several_pairs_the_parts_are_means_and_the_images_are_the_same_in_all():
    generator = np.random.default_rng(5)
    pairs = [(network(generator), network(generator)) for _ in range(3)]
    found, single = decompose(pairs, *apart(300)), [decompose([pair], *apart(300)) for pair in pairs]
    assert found.composition.statistic == pytest.approx(np.mean([each.composition.statistic for each in single]))
    assert found.of_pairs == [(each.composition.statistic, each.rates.statistic) for each in single]
    twice = decompose([pairs[0]] * 2, *apart(300))
    assert twice.rates.interval == pytest.approx(single[0].rates.interval)  # the same images: no surer than once


def test_what_has_no_mean_or_too_few_paths_has_no_interval():
    one = np.ones(4)
    found = decompose([(OnPaths(one, one, one), OnPaths(one, 2 * one, one))], *apart(4))
    assert found.whole.statistic == 1 and found.whole.interval is None
    with pytest.raises(ValueError, match="the weights of all paths are 0"):
        decompose([(OnPaths(one, one, 0 * one), OnPaths(one, one, one))], *apart(4))
    with pytest.raises(ValueError, match="a value is not finite"):
        decompose([(OnPaths(one, one * np.nan, one), OnPaths(one, one, one))], *apart(4))


@pytest.mark.parametrize("case", ["rare crossings", "900, weighted"])
def test_the_intervals_cover_what_was_planted(case):
    """A small part of coverage_of_parts.py: two standard errors of 200 draws are 3.1."""
    covered = COVERAGE["cover"](COVERAGE["CASES"][case], 200)
    assert all(91.5 <= each <= 98.5 for each in covered.values()), covered


def test_the_script_has_a_row_per_part_and_a_column_per_case(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["coverage_of_parts.py", "--draws", "1"])
    COVERAGE["main"]()
    head, _, *rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in capsys.readouterr().out.splitlines()]
    assert head == ["", *COVERAGE["CASES"]] and [row[0] for row in rows] == ["whole", "composition", "rates"]
    assert {cell for row in rows for cell in row[1:]} <= {"0.0", "100.0"}


def test_few_paths_in_float32_correct_the_parts():
    """Rounding changes crossings, values and weights; over many draws of the few both parts are those of float32."""
    generator = np.random.default_rng(0)
    exact = [network(generator, most=4) for _ in range(2)]
    rounded = []
    for each in exact:
        flips = generator.random(300) < 0.1
        rounded.append(OnPaths(each.crossings + flips, each.value + 0.1 * generator.random(300), each.weight * 1.05))

    def in_both(side, few):
        stands_for = np.zeros(300)
        stands_for[few] = 300 / len(few)
        columns = zip(exact[side], rounded[side], strict=True)
        best = OnPaths(*(np.where(stands_for > 0, *both) for both in columns))
        return InBoth(best, rounded[side], stands_for)

    truth, all_in_half = decompose([tuple(exact)], *apart(300)), decompose([tuple(rounded)], *apart(300))
    every = decompose([tuple(in_both(side, np.arange(300)) for side in (0, 1))], *apart(300))
    assert [each[:2] for each in every.both] == [pytest.approx(each[:2]) for each in truth.both]
    draws = [generator.choice(300, 60, replace=False) for _ in range(300)]
    found = [decompose([(in_both(0, few), in_both(1, few))], *apart(300)) for few in draws]
    for part in ("whole", "composition", "rates"):
        of_all = np.array([getattr(each, part).statistic for each in found])
        assert abs(of_all.mean() - getattr(truth, part).statistic) < 4 * of_all.std() / 300**0.5
    away = np.mean([each.whole.statistic for each in found]) - truth.whole.statistic
    assert abs(away) < abs(all_in_half.whole.statistic - truth.whole.statistic) / 2
    means = [mean_of(in_both(0, few)) for few in draws]
    assert np.mean(means) == pytest.approx(mean_of(exact[0]), abs=1e-3)

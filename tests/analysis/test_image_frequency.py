"""Waves along Fourier images: their spatial frequency, what orders them, and the script."""

import json
import math

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from analysis.figures.noise_fitting import by_wave_figure
from analysis.image_frequency import (
    GAIN,
    as_text,
    correlations,
    image_frequency,
    made_of,
    main,
    panels_of,
    wave_table,
)
from analysis.inference import partial_correlation, spearman
from analysis.tables.records_file import write_records
from analysis.tables.table import RecordError, Records, normal
from analysis.tables.waves import CYCLES, noise_groups

WAVES = [(k, f) for f in (0.02, 0.1) for k in (1.5, 3.0, 6.0, 8.0, 12.0)]


def cycles_of(spatial, frequency):
    """As in natural images, the higher the spatial frequency the smaller the deviation along it."""
    return frequency * 40 / spatial


def row(kind, spatial=2.0, frequency=0.038, less=0.0, seed=0):
    name = f"{kind} {spatial:g} {frequency:g} {seed}"
    fixed = {"trial_id": name, "label": name, "run_id": "", "sweep_id": "made1", "study": "label_noise"}
    fixed |= {"intervention": "baseline", "search": "grid", "epoch": 5, "dataset": "digits", "model": "toy"}
    wave = {"noise_type": kind, "noise_frequency": frequency, "noise_spatial_frequency": spatial}
    metrics = {"noise_fitting/min": -1.0 - seed + less, CYCLES: cycles_of(spatial, frequency)}
    return fixed | wave | {"label_noise": 0.4, "seed": seed} | metrics


def records(by_cycles=True, waves=WAVES, kinds=("uniform",)):
    """A sweep whose difference to the control grows with the number of cycles, or with spatial frequency."""
    rows = [row(kind) for kind in kinds]
    rows += [row("fourier", k, f, less=0.1 * (cycles_of(k, f) if by_cycles else k)) for k, f in waves]
    return Records(normal(pd.DataFrame(rows)), {}, "planted")


def group_and_table(made):
    (group,), _ = noise_groups(made)
    return group, wave_table(group)


@pytest.mark.parametrize(("asked", "steps"), [(1, 0), (1.5, 1), (2, 1), (4, 2), (8, 5), (16, 11), (22, 15)])
def test_a_fourier_image_has_whole_cycles_on_either_axis(asked, steps):
    assert made_of(asked) == pytest.approx(steps * math.sqrt(2))


def test_a_wave_table_has_differences_cycles_and_composite_images_without_a_spatial_frequency():
    made = records(kinds=("uniform", "f", "1/f", "radial"))
    _, table = group_and_table(made)
    assert list(table["wave"][:2]) == ["fourier, spatial frequency 1.5: 0.02", "fourier, spatial frequency 1.5: 0.1"]
    assert set(table["kind"]) == {"fourier", "f", "1/f"} and len(table) == len(WAVES) + 2
    first = table.iloc[0]
    assert first["less_control"] == pytest.approx(0.1 * 0.02 * 40 / 1.5) and first["cycles"] == pytest.approx(0.8 / 1.5)
    assert table[table["kind"] != "fourier"]["spatial"].isna().all()


@pytest.mark.parametrize(("by_cycles", "better"), [(True, 1), (False, -1)])
def test_what_orders_the_waves_better_is_found(by_cycles, better):
    orders = correlations(*group_and_table(records(by_cycles)))
    assert [(row["waves"], row["n"]) for row in orders] == [
        ("all frequencies", 10),
        ("frequency 0.02", 5),
        ("frequency 0.1", 5),
    ]
    found = orders[0]["orders"]
    assert found["cycles" if by_cycles else "spatial"].statistic == pytest.approx(1)
    gain = found[GAIN]
    assert np.sign(gain.statistic) == better and np.sign(gain.interval[better < 0]) == better
    assert set(orders[1]["orders"]) == {"spatial"}  # at one frequency both order alike
    assert orders[1]["orders"]["spatial"].statistic == pytest.approx(-better)


def test_a_perfect_order_of_five_waves_has_no_point_for_an_interval():
    made = records(waves=WAVES[5:])
    (row,) = correlations(*group_and_table(made))
    found, waves = row["orders"], group_and_table(made)[1]
    assert found["spatial"] == spearman(waves["spatial"], waves["less_control"])
    # one swap less than perfect: 1 - 12 / 120 = 0.9; tanh(atanh(0.9) - 1.96 sqrt(1.06 / 2)) = 0.045
    assert found["spatial"].interval == pytest.approx((-1, -0.045), abs=5e-4)
    assert found["cycles"].interval == pytest.approx((0.045, 1), abs=5e-4)
    assert found[GAIN].statistic == pytest.approx(0) and all(map(math.isnan, found[GAIN].interval))
    for key in ("spatial | cycles", "cycles | spatial"):
        assert math.isnan(found[key].statistic) and "a combination of what is held fixed" in found[key].note
    said = as_text([row])
    assert "-1.00 [-1.00, -0.05]" in said and "+0.00 (no interval: all resamples agree)" in said
    assert "undefined: the measure is constant, or a combination" in said and "nan" not in said


def test_what_is_left_at_equal_cycles_is_the_partial_correlation_of_ranks():
    group, table = group_and_table(records(by_cycles=False))
    table["less_control"] += np.array([3, 0, 0, 5, 0, -2, 0, 0, 4, 0]) / 10
    found = correlations(group, table)[0]["orders"]
    for key, measure, other in (("spatial | cycles", "spatial", "cycles"), ("cycles | spatial", "cycles", "spatial")):
        assert found[key] == partial_correlation(table, measure=measure, target="less_control", given=[other])
        low, high = found[key].interval
        assert low < found[key].statistic < high and found[key].n - found[key].k == 9


def test_fewer_than_five_waves_or_no_control_have_no_coefficient():
    for made, n in ((records(waves=WAVES[:4]), 4), (records(kinds=()), 0)):
        orders = correlations(*group_and_table(made))
        assert [(row["n"], row["orders"]) for row in orders] == [(n, None)]
        assert f"n = {n}: too few waves with a control (5 needed)" in as_text(orders)


def test_where_cycles_are_not_known_their_panel_and_coefficients_are_left_out_and_said():
    made = records()
    made.table.loc[made.table["label"] == "fourier 3 0.1 0", CYCLES] = np.nan
    found = image_frequency(made)
    assert [axes.get_xlabel() for axes in found.figures["image_frequency"].axes] == [
        "spatial frequency (cycles per image)"
    ]
    assert any(f"1 waves have no {CYCLES}" in note for note in found.careful)
    assert found.numbers["orders"][0]["orders"]["spatial"].n == 10
    assert set(found.numbers["orders"][0]["orders"]) == {"spatial"}
    with pytest.raises(RecordError, match="no trial of planted has a wave along a Fourier image"):
        image_frequency(records(waves=[]))
    plt.close("all")


def test_the_figure_has_a_line_per_frequency_beside_the_same_against_cycles():
    group, table = group_and_table(records(kinds=("uniform", "f")))
    panels = panels_of(group, table)
    assert [panel.x for panel in panels] == ["noise_spatial_frequency", CYCLES]
    figure = by_wave_figure(panels, legend="", ordered=True)
    for axes, of in zip(figure.axes, (lambda k, f: made_of(k), cycles_of), strict=True):
        lines = {line.get_label(): line for line in axes.lines}
        at = sorted((of(k, 0.1), -1 + 0.1 * cycles_of(k, 0.1)) for k, f in WAVES if f == 0.1)
        assert [tuple(point) for point in lines["0.1"].get_xydata()] == [pytest.approx(point) for point in at]
        assert list(lines["_control"].get_ydata()) == [-1, -1]
    first, second = ({line.get_label(): line for line in axes.lines}["0.038, image f"] for axes in figure.axes)
    assert len(first.get_xdata()) == 2 and list(second.get_xdata()) == [cycles_of(2, 0.038)]  # a level; a point
    plt.close(figure)


def test_the_script_reads_a_file_prints_and_saves(tmp_path, run_script):
    made = records(waves=WAVES[5:])
    write_records(made, tmp_path / "made.csv")
    status, said, _ = run_script(main, "--records", "made.csv", "--out", "here", "--full")
    assert status == 0 and "cycles               +1.00 [+0.05, +1.00]" in said and "nan" not in said
    names = {f"image_frequency.{kind}" for kind in ("png", "svg", "json")}
    assert {file.name for file in (tmp_path / "here").iterdir()} == names
    content = json.loads((tmp_path / "here" / "image_frequency.json").read_text())
    assert content["orders"][0]["n"] == 5 and content["waves"][0][0]["cycles"] == pytest.approx(0.1 * 40 / 1.5)
    write_records(Records(made.table[made.table["noise_type"] == "uniform"], {}, ""), tmp_path / "flat.csv")
    status, _, error = run_script(main, "--records", "flat.csv")
    assert status == 2 and error.startswith("error: no trial of flat.csv has a wave along")


def test_what_a_result_notes_is_printed_and_resamples_are_named_only_where_they_were_taken():
    """One wave has another difference to the control: Spearman's has no interval, and not as resamples agree."""
    waves = [row("fourier", k, 0.02, less=0.1 * (k > 10)) for k in (1.5, 3.0, 6.0, 8.0, 12.0)]
    made = Records(normal(pd.DataFrame([row("uniform"), *waves])), {}, "planted")
    lines = as_text(correlations(*group_and_table(made))).splitlines()
    (line,) = [line for line in lines if "n = 5   spatial  " in line]
    assert line.endswith("(no interval: all but one of 5 units are the same)")


def test_a_trial_that_does_not_say_its_wave_is_left_out_and_counted():
    made = records()
    for kind, name in (("fourier", "noise_spatial_frequency"), ("fourier", "noise_frequency"), (None, "noise_type")):
        lost = row("fourier", 5.0, 0.5, seed=1) | {"noise_type": kind} | {name: np.nan}
        table = normal(pd.concat([made.table, pd.DataFrame([lost])], ignore_index=True))
        (group,), notes = noise_groups(Records(table, {}, "planted"))
        assert len(wave_table(group)) == len(WAVES)
        assert [note for note in notes if "1 trials without a known wave" in note]


def test_settings_that_differ_by_rounding_are_one_group_and_one_wave():
    """Strength 0.1 + 0.2 beside 0.3, spatial frequency 2.3 and the float after it, with seeds shared out between."""
    rows = [row(kind, 2.3, 0.02, seed=seed) for kind in ("uniform", "fourier") for seed in range(4)]
    for i, each in enumerate(rows):
        each |= {"label_noise": (0.3, 0.1 + 0.2)[i % 2], "noise_spatial_frequency": (2.3, np.nextafter(2.3, 3))[i % 2]}
    (group,), _ = noise_groups(Records(normal(pd.DataFrame(rows)), {}, "planted"))
    assert group.name == "strength 0.3, baseline"
    assert [str(wave) for wave in group.waves] == ["uniform", "fourier, spatial frequency 2.3: 0.02"]
    assert len(group.less_control(group.waves[1])) == 4

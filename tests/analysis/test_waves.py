"""Which trials with label noise are compared: by wave, strength, setting and seed; and what is left out."""

import numpy as np
import pytest

from analysis.noise_fitting import table_rows
from analysis.tables.table import Records
from analysis.tables.waves import UNIFORM, Wave, noise_groups
from tests.analysis.test_noise_fitting import groups_of, records, trial


def test_records_without_seeds_pair_repeats_in_their_order():
    kinds = [("uniform", -1.0), ("uniform", -1.2), ("radial", -0.8), ("radial", -0.9)]
    made = records(*(trial(minimum, kind=kind, seed=seed) for seed, (kind, minimum) in enumerate(kinds)))
    made = Records(made.table.drop(columns="seed"), {}, "x")
    (group,) = noise_groups(made)[0]
    assert dict(group.less_control(Wave("radial", 0, 0.038))) == pytest.approx({0: 0.2, 1: 0.3})


def test_what_follows_from_other_settings_and_the_seed_is_no_setting():
    follows = trial(-1.0, last=4, measurement_epochs="(0, 4)", teacher="there", seed=1)
    groups = groups_of(trial(-1.0, measurement_epochs="(0, 2)", teacher="here"), follows)
    assert [group.setting for group in groups] == ["baseline", "epochs=4"]


def test_only_trials_of_equal_strength_and_setting_are_compared():
    groups, notes = noise_groups(
        records(trial(-1.0, kind="uniform", strength=0.2), trial(-0.8), trial(-0.5, strength=0.2, cutout=16))
    )
    assert [(g.strength, g.setting, len(g.rows)) for g in groups] == [
        (0.2, "baseline", 1),
        (0.2, "cutout=16", 1),
        (0.4, "baseline", 1),
    ]
    assert all(np.isnan(row["less_control"]) for row in table_rows(groups))
    assert any("only trials of equal strength" in note for note in notes)


def test_waves_differ_in_what_they_run_along_and_only_that():
    (group,) = groups_of(
        trial(-1.0, kind="uniform", noise_spatial_frequency=4.0),
        trial(-0.9, kind="uniform", frequency=0.5, seed=1),
        trial(-0.8, noise_seed=3),
        trial(-0.7, kind="random", noise_seed=3),
        trial(-0.6, kind="fourier", noise_spatial_frequency=4.0),
        trial(-0.5, kind="1/f"),
    )
    assert group.waves == [
        UNIFORM,
        Wave("radial", 0, 0.038),
        Wave("random", 3, 0.038),
        Wave("fourier", 4, 0.038),
        Wave("1/f", 0, 0.038),
    ]
    assert list(group.by_seed(UNIFORM)) == [-1.0, -0.9] and group.setting == "baseline"


def test_what_is_left_out_is_counted_and_other_lengths_are_said():
    lost = [row | {"noise_fitting/min": np.nan} for row in trial(-1.0, frequency=0.3)]
    groups, notes = noise_groups(records(trial(-1.0), lost, trial(-1.0, strength=0.0), trial(-2.0, last=4)))
    assert sum(len(group.rows) for group in groups) == 2
    assert notes[:2] == ["left out: 1 trials without label noise", "left out: 1 trials without noise_fitting/min"]
    assert notes[2].endswith("not all trials ended at epoch 2: strength 0.4, epochs=4 (epoch 4 to 4)")


def test_the_other_lengths_of_each_strength_are_said():
    trials = [trial(-1.0, strength=s, last=last) for s, last in ((0.2, 2), (0.2, 4), (0.4, 2), (0.4, 6))]
    changed = [[row | {"epochs": 2, "cutout": int(len(rows) > 3)} for row in rows] for rows in trials]
    note = noise_groups(records(*changed))[1][-1]
    assert note.endswith("strength 0.2, cutout=1 (epoch 4 to 4); strength 0.4, cutout=1 (epoch 6 to 6)")


def test_a_trial_that_repeats_setting_wave_and_seed_counts_once():
    again = [row | {"trial_id": "again"} for row in trial(-5.0)]
    groups, notes = noise_groups(records(trial(-1.0), again))
    assert list(groups[0].by_seed(groups[0].waves[0])) == [-1.0]
    assert notes == ["left out: 1 trials that repeat the setting, wave and seed of another"]


def test_rates_that_differ_in_the_seventh_digit_are_two_settings():
    rates = [trial(-0.5, seed=0, weight_decay=rate) for rate in (0.1234567, 0.1234568)]
    found, notes = noise_groups(records(trial(-1.0), *rates))
    names = ["baseline", "weight_decay=0.1234567", "weight_decay=0.1234568"]
    assert [group.setting for group in found] == names and not notes

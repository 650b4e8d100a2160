"""By intervention: its trials with the baseline's, augmentations together, and what each setting changed."""

import numpy as np
import pandas as pd
import pytest

from analysis.questions.by_intervention import (
    ACCURACY,
    AUGMENTATIONS,
    KINDS,
    associations,
    associations_text,
    effects,
    effects_text,
)
from analysis.tables.table import Records, normal
from specbias.training.interventions import INTERVENTIONS

WITHIN, BETWEEN = KINDS


def trial(number, intervention, accuracy):
    """The last row of one trial: within falls and between rises with accuracy."""
    fixed = {"trial_id": f"t{number}", "label": "", "intervention": intervention, "epoch": 5}
    return fixed | {ACCURACY: accuracy, WITHIN: 1 - accuracy, BETWEEN: accuracy**2}


@pytest.fixture
def last():
    plan = [("baseline", 0.5)] + [("epochs", a) for a in (0.2, 0.3, 0.4, 0.6)] + [("mixup", a) for a in (0.7, 0.8)]
    return pd.DataFrame([trial(i, name, accuracy) for i, (name, accuracy) in enumerate(plan)])


def test_associations_are_over_all_and_per_intervention_with_the_baseline(last):
    found = {row.trials: row for row in associations(last.assign(unit=last.index))}
    assert {name: row.n for name, row in found.items()} == {"all": 7, "epochs": 5, "mixup": 3}
    for name in ("all", "epochs"):
        assert found[name].spearman[WITHIN].statistic == pytest.approx(-1)
        assert found[name].kendall[BETWEEN].statistic == pytest.approx(1)
    assert found["mixup"].spearman is None and found["mixup"].kendall is None
    text = associations_text([*found.values()]).splitlines()
    assert text[2].split()[:2] == ["all", "7"] and "-1.00 [-1.00, " in text[2]
    assert all(line.endswith("  wide: fewer than 8 units") for line in text[2:4])
    assert text[4].split() == ["mixup", "3", "too", "few", "(5", "settings", "needed,", "3", "here)"]


def test_augmentations_of_several_names_are_one_group_more(last):
    last = last.assign(unit=last.index, intervention=["baseline", *["cutout"] * 3, "epochs", *["mixup"] * 2])
    found = {row.trials: row for row in associations(last)}
    assert [*found] == ["all", "cutout", "epochs", "mixup", "augmentation, all"]
    assert found["augmentation, all"].n == 6 and found["augmentation, all"].spearman[WITHIN].statistic == -1
    assert "augmentation, all" not in {row.trials for row in associations(last[last["intervention"] != "mixup"])}


def test_every_intervention_on_images_is_an_augmentation():
    assert set(AUGMENTATIONS) == set(INTERVENTIONS) - {"label_smoothing", "own_strength"}  # of which one is unknown


def test_effects_are_means_over_seeds_and_changes_from_the_baseline_of_the_same_seeds():
    level = {("baseline", 0): 0.5, ("baseline", 1): 0.6, ("wide", 0): 0.8, ("wide", 1): 0.7, ("wide", 2): 0.9}
    level |= {("deep", 5): 0.3, ("x=16", 0): 0.5, ("x=8", 0): 0.5}
    rows = [
        trial(i, name, accuracy)
        | {"seed": seed, "model": name, "search": "grid", "study": "", "sweep_id": "", "run_id": ""}
        for i, ((name, seed), accuracy) in enumerate(reversed(level.items()))
    ]
    records = Records(normal(pd.DataFrame(rows)), {}, "made")
    found = effects(records, records.last).set_index("setting")
    assert [*found.index] == ["baseline", *(f"model={name}" for name in ("deep", "wide", "x=8", "x=16"))]
    assert list(found["seeds"]) == [2, 1, 3, 1, 1]
    wide, deep = found.loc["model=wide"], found.loc["model=deep"]
    assert wide[ACCURACY] == pytest.approx(0.8)  # of all its seeds
    assert wide[f"{ACCURACY}/change"] == pytest.approx((0.3 + 0.1) / 2)  # of the two that the baseline has too
    assert wide[f"{ACCURACY}/standard_error"] == pytest.approx(0.1)
    assert deep[WITHIN] > 0 and np.isnan(deep[f"{WITHIN}/change"])
    said = effects_text(effects(records, records.last))
    assert "+0.2000 ± 0.1000" in said and "nan" not in said
    assert (wide["pairs"], deep["pairs"]) == (2, 0)
    others = Records(records.table[records.table["intervention"] != "baseline"], {}, "made")
    assert "no table" in effects_text(effects(others, others.last))

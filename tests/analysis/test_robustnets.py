"""The published networks lie by their own line; a sweep is held against them only where it was measured as they."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy.stats import linregress

from analysis.figures import interventions_figure
from analysis.interventions import interventions
from analysis.questions.robustnets import BETWEEN, MEASURED_AS, NETWORKS, WITHIN, comparable, compared, within_at
from analysis.tables.table import Records, normal

ACCURACY = "generalization/test_accuracy"


def records(*, off=0.0, **settings):
    """The published networks as if they were trials here, `off` their within-class shares, and one that is poor."""
    rows = [(n.accuracy, n.within + off, n.between) for n in NETWORKS] + [(0.3, 0.2, 0.2)]
    fixed = {"sweep_id": "", "run_id": "", "study": "cifar", "intervention": "", "search": "grid", "epoch": 1}
    made = [
        fixed
        | MEASURED_AS
        | settings
        | {"trial_id": str(i), "label": str(i), "width": i}
        | dict(zip(METRICS, row, strict=True))
        for i, row in enumerate(rows)
    ]
    return Records(normal(pd.DataFrame(made)), {}, "made")


METRICS = (ACCURACY, WITHIN, BETWEEN)


def test_the_published_networks_lie_by_the_line_through_all_of_them():
    accuracy, within = (np.array([getattr(n, name) for n in NETWORKS]) for name in ("accuracy", "within"))
    assert np.abs(within - within_at(accuracy)).max() < 0.02 and np.corrcoef(accuracy, within)[0, 1] < -0.94


@pytest.mark.parametrize("off", [0.0, 0.05])
def test_how_far_trials_are_off_the_line_is_said_of_those_as_accurate_as_the_published(off):
    above = [n.within + off - within_at(n.accuracy) for n in NETWORKS]
    slope = linregress([n.accuracy for n in NETWORKS], [n.within for n in NETWORKS]).slope
    said = compared(records(off=off).last)
    assert "of 9 trials here as accurate" in said and f"{min(above):.3f} to {max(above):.3f} off their line" in said
    assert f"accuracy is {slope:+.2f}, theirs -0.57" in said
    assert "too few trials" in compared(records().last.iloc[-3:])


@pytest.mark.parametrize(
    "other",
    [{"dataset": "digits"}, {"spacing": 0.5}, {"signal": "logits"}, {"path_samples": 9}, {"probe_split": "train"}],
)
def test_only_what_was_measured_alike_is_compared(other):
    assert comparable(records()) and not comparable(records(**other))
    made = records()
    assert not comparable(Records(made.table.drop(columns=[*other]), {}, "made"))


def test_the_analysis_says_and_draws_it_where_it_can():
    for made, there in ((records(), True), (records(dataset="digits"), False)):
        found = interventions(made)
        assert any("447 published networks" in note for note in found.notes) == there
        assert ("RobustNets" in found.captions["interventions"]) == there
    plt.close("all")


def test_the_figure_has_the_published_networks_where_they_are_asked_for():
    for published in (True, False):
        figure = interventions_figure(records().table, published=published)
        points = [np.asarray(each.get_offsets()) for axes in figure.axes[:2] for each in axes.collections]
        assert sum(len(each) == len(NETWORKS) for each in points) == 2 * published

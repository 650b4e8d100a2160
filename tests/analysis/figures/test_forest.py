"""A forest plot's numbers and labels."""

import math

import matplotlib.pyplot as plt
import pytest

from analysis.figures import ForestRow, forest_plot

ROWS = [
    ForestRow("all", 0.3, 0.1, 0.5, summary=True),
    ForestRow("width", 0.45, 0.2, 0.7),
    ForestRow("few runs", -0.1),
    ForestRow("constant", math.nan),
]


@pytest.fixture
def axes():
    figure = forest_plot(ROWS, x="slope on accuracy")
    figure.canvas.draw()
    yield figure.axes[0]
    plt.close(figure)


def test_rows_stand_from_above_in_their_order_and_the_summary_last_and_bold(axes):
    labels = {round(label.get_position()[1]): label for label in axes.get_yticklabels()}
    assert [labels[place].get_text() for place in range(4)] == ["width", "few runs", "constant", "all"]
    assert [labels[place].get_fontweight() for place in range(4)] == ["normal"] * 3 + ["bold"]
    assert axes.yaxis_inverted() and axes.get_xlabel() == "slope on accuracy"


def test_every_estimate_has_its_point_its_interval_and_its_numbers(axes):
    lines = [line.get_xydata().tolist() for line in axes.get_lines()]
    assert [[0.45, 0]] in lines and [[0.2, 0], [0.7, 0]] in lines
    assert [[0.3, 3]] in lines and [[0.1, 3], [0.5, 3]] in lines and [[-0.1, 1]] in lines
    texts = {text.get_position()[1]: text.get_text() for text in axes.texts}
    assert texts == {0: "0.45 [0.2, 0.7]", 1: "-0.1", 2: "undefined", 3: "0.3 [0.1, 0.5]"}


def test_a_line_stands_at_0(axes):
    assert [0, 0] in [list(line.get_xdata()) for line in axes.get_lines()]

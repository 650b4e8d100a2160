"""The scatter over classes: no name hides another or a point, and the pictures are those of the extreme classes."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.image import AxesImage
from matplotlib.text import Annotation, Text

from analysis.figures import class_scatter
from analysis.figures.classes import extremes, short
from analysis.figures.names import place_names


@pytest.fixture
def drawn():
    """Return a function that draws so many classes with long names; gives the figure, x, y."""

    def draw(classes, **more):
        generator = np.random.default_rng(classes)
        x, y = generator.gamma(4, size=(2, classes))
        names = [f"European fire salamander {label}, Salamandra salamandra" for label in range(classes)]
        spread = generator.random(classes) / 5
        figure = class_scatter(x, y, names=names, of="diversity/total_variance", spread=spread, **more)
        figure.canvas.draw()
        return figure, x, y

    yield draw
    plt.close("all")


@pytest.mark.parametrize("classes", [5, 12, 30, 200])
def test_no_name_hides_another_or_a_point_or_leaves_the_axes(drawn, classes):
    figure, x, y = drawn(classes)
    axes = figure.axes[0]
    texts = axes.findobj(Annotation)
    boxes = [Text.get_window_extent(text) for text in texts]  # without the line that leads to it
    points = axes.transData.transform(np.column_stack([x, y]))
    assert len(texts) >= min(classes, 12) * 0.7
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
    assert not any(box.contains(*point) for box in boxes for point in points)
    window = axes.get_window_extent()
    assert all(window.contains(*corner) for box in boxes for corner in (box.min, box.max))


def test_a_point_in_a_ring_of_others_has_its_name_outside_at_the_end_of_a_line_between_them():
    figure, axes = plt.subplots()
    angles = np.linspace(0, 2 * np.pi, 13)[:-1] + 0.1
    x, y = (np.append(0.5 + 0.05 * f(angles), 0.5) for f in (np.cos, np.sin))
    axes.set(xlim=(0, 1), ylim=(0, 1))
    place_names(axes, x, y, {12: "the one inside"}, avoid=np.empty((0, 2)))
    figure.canvas.draw()  # a name has its place by then
    (text,) = axes.findobj(Annotation)
    box = Text.get_window_extent(text)
    assert text.arrow_patch and not any(
        box.contains(*point) for point in axes.transData.transform(np.column_stack([x, y]))
    )
    plt.close(figure)


def test_of_many_classes_those_at_the_ends_are_named_and_short(drawn):
    figure, x, y = drawn(200)
    said = {text.get_text() for text in figure.axes[0].findobj(Annotation)}
    order = [*np.argsort(x)[[0, 1, 2, -1, -2, -3]], *np.argsort(y)[[0, 1, 2, 3, -1, -2, -3, -4]]]
    assert said <= {short(f"European fire salamander {label}") for label in order}


def test_pictures_are_of_the_extreme_classes_the_most_extreme_first(drawn):
    x = np.random.default_rng(12).gamma(4, size=(2, 12))[0]
    ends = extremes(x)
    order = np.argsort(x)
    assert ends == {"most diverse": [*order[:-4:-1]], "least diverse": [*order[:3]]}
    pictures = {label: np.full((5, 3, 4, 4), label, dtype=np.uint8) for side in ends.values() for label in side}
    figure, *_ = drawn(12, pictures=pictures)
    images = [image.get_array() for image in figure.findobj(AxesImage)]
    assert [int(image[0, 0, 0]) for image in images] == [*order[:-4:-1], *order[:3]]
    assert all(image.shape == (4, 5 * 4 + 4, 3) for image in images)  # five, and a white column between
    assert [axes.get_title(loc="left") for axes in figure.axes if axes.get_title(loc="left")] == [*ends]


def test_few_classes_have_no_picture_on_both_sides():
    assert extremes(np.array([3.0, 1.0, 2.0])) == {"most diverse": [0], "least diverse": [1]}


@pytest.mark.parametrize(
    ("name", "cut"),
    [("European fire salamander, Salamandra salamandra", "European fire salamander"), ("ox", "ox")],
)
def test_names_are_cut_to_the_first(name, cut):
    assert short(name) == cut
    assert len(short("a" * 50)) <= 24 and len(short("very long name of some dog, alias")) <= 24

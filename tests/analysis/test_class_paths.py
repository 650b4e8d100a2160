"""Paths within a class, from arrays as the core saves them: shares, how uncertain they are, and the examples drawn."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from analysis.figures import save
from analysis.studies.class_paths import class_paths
from analysis.studies.trial import Trial

CLASSES, IMAGES = 2, 6  # of each: images and adversarials


@pytest.fixture
def arrays():
    """Two classes of 6 x 6 pairs, all connected, every other image also by straight lines; 3 attacks failed."""
    of_class, image, adversarial = np.indices((CLASSES, IMAGES, IMAGES)).reshape(3, -1)
    examples = np.random.default_rng(0).integers(0, 256, size=(3, 9, 3, 8, 8), dtype=np.uint8)
    place = np.linspace(0, 1, 101)
    yield {
        "classes": of_class,
        "images": np.stack([100 * of_class + image, 500 + adversarial], axis=1),  # one source image for both classes
        "connected": np.ones(len(image), dtype=bool),
        "connected_straight": image % 2 == 0,
        "lowest_margin": np.linspace(0.1, 2, len(image)),
        "lowest_margin_straight": np.where(image % 2 == 0, 0.1, -0.5),
        "length_ratio": 1.02 + 0.004 * image,
        "tried_reached": np.arange(15) >= 3,
        "example_pairs": np.array([0, 30, 71]),
        "example_images": examples,
        "example_images_straight": examples // 2,
        "example_margins": np.stack([1 + place] * 3),
        "example_margins_straight": np.stack([1 - 2 * place * (place < 1)] * 3),
    }
    plt.close("all")


def claims_of(arrays):
    found = class_paths([Trial("resnet", {}, arrays)])
    return found, {claim.name: claim for claim in found.claims}


def test_pairs_are_counted_and_failed_attacks_said(arrays):
    _, claims = claims_of(arrays)
    connected, straight = claims["pairs connected"], claims["pairs connected by the straight line"]
    assert (connected.statistic, connected.verdict, connected.criterion, connected.n) == (1, "held", ">= 1", 72)
    assert straight.statistic == 0.5 and straight.verdict == "reported"
    assert claims["length / straight line"].statistic == pytest.approx(1.03)
    assert claims["length / straight line"].verdict == "reported"
    lowest = claims["lowest margin, smallest of the pairs"]
    assert lowest.statistic == pytest.approx(0.1) and lowest.interval is None
    assert claims["attacks that failed"].statistic == 0.2 and claims["attacks that failed"].note.startswith("3 of 15")
    arrays["connected"] = arrays["connected_straight"]
    assert claims_of(arrays)[1]["pairs connected"].verdict == "not held"


def test_the_interval_is_over_images_and_not_over_pairs(arrays):
    """Connection is a matter of the image: of 12 images half are connected, which is all that 72 pairs say."""
    _, claims = claims_of(arrays)
    low, high = claims["pairs connected by the straight line"].interval
    assert high - low == pytest.approx(2 * 1.96 * 0.5 / np.sqrt(12), rel=0.2)


@pytest.mark.slow
def test_the_examples_are_drawn_along_path_and_straight_line(arrays, tmp_path):
    found, _ = claims_of(arrays)
    axes = found.figures["example_images"].axes
    assert len(axes) == 3 * 2 * 9 and [a.get_ylabel() for a in axes[9::18]] == [
        "class 0\nstraight line",
        "class 0\nstraight line",
        "class 1\nstraight line",
    ]
    assert np.array_equal(axes[10].images[0].get_array(), arrays["example_images_straight"][0, 1].transpose(1, 2, 0))
    assert [a.get_title() for a in axes[:9:4]] == ["1.0", "1.5", "2.0"]
    assert axes[14].title.get_color() == "tab:red" and axes[10].title.get_color() == "black"
    margins = found.figures["example_margins"].axes
    assert [line.get_label() for line in margins[0].lines] == ["path", "straight line", "boundary"]
    assert np.array_equal(margins[1].lines[0].get_ydata(), arrays["example_margins"][1])
    for name, figure in found.figures.items():
        assert all(path.stat().st_size > 1000 for path in save(figure, tmp_path, name))


def test_without_examples_there_is_nothing_to_draw_of_them(arrays):
    kept = {name: value for name, value in arrays.items() if not name.startswith("example")}
    assert list(claims_of(kept)[0].figures) == ["paths"]
    kept["example_pairs"] = np.array([], dtype=int)
    assert list(claims_of(kept)[0].figures) == ["paths"]

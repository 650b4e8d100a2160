"""The experiments on flowers, from arrays with planted truth: sines, classes, and nearest neighbours beside them."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from analysis.studies import STUDIES
from analysis.studies.classification import EXTENT, skill
from analysis.studies.trial import Trial
from specbias.settings.registry import load
from specbias.synthetic.manifold import MAP_EXTENT

K = np.arange(20, 201, 20)
WOBBLE = 1 + np.array([-0.01, -0.005, 0.0, 0.005, 0.01])  # of the runs


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def run(study, trials):
    """The study's findings, and its claims by trial and beginning of the name."""
    found = load(STUDIES[study])(trials)

    def claim(name, over=None):
        there = [c for c in found.claims if c.name.startswith(name) and over in (None, c.trials)]
        there = [c for c in there if c.name == name] or there
        assert len(there) == 1, there
        return there[0]

    return found, claim


def flower(petals, times, last=10_000):
    """A trial whose amplitudes reach 0.5 at the times."""
    steps = np.linspace(0, last, 101).astype(int)
    amplitude = np.minimum(0.5 * WOBBLE[:, None, None] * steps[:, None] / np.asarray(times), 1)
    loss = ((1 - amplitude) ** 2 / 2).sum(axis=2)
    arrays = {"steps": steps, "frequencies": K, "amplitude": amplitude, "loss": loss, "spectral_bias": loss / 10}
    return Trial(f"petals={petals}", {"petals": petals}, arrays)


@pytest.mark.slow
def test_petals_speed_up_learning_where_planted():
    flowers = [flower(p, times * np.arange(5, 51, 5)) for p, times in ((16, 50), (0, 300), (4, 200), (10, 90))]
    found, claim = run("manifold", flowers)
    for name in ("rho(petals, mean a) at 1000", "rho(petals, mean a) at 10000", "rho(petals, T_0.5(k))"):
        assert claim(name).verdict == "held"
    assert claim("rho(petals, mean squared error) at 1000").statistic == pytest.approx(-1)
    titles = [axes.get_title() for axes in found.figures["amplitudes"].axes[:4]]
    assert titles == ["circle (0 petals)", "4 petals", "10 petals", "16 petals"]
    for trial, petals in zip(flowers, (0, 16, 10, 4), strict=True):
        trial.settings["petals"] = petals
    assert run("manifold", flowers)[1]("rho(petals, mean a) at 1000").verdict == "not held"


def test_on_one_flower_inversions_are_allowed_and_early_order_is_only_reported():
    times = 3000.0 * np.array([2, 1, 3, 5, 4, 7, 6, 9, 8, 10])  # neighbours swapped: rho of -0.94; then more
    _, claim = run("manifold", [flower(10, times)])
    assert claim("rho(k, a) at 10000").criterion == "<= -0.6" and claim("rho(k, a) at 10000").verdict == "held"
    times = 3000.0 * np.array([4, 1, 2, 6, 3, 8, 5, 10, 7, 9])
    _, claim = run("manifold", [flower(10, times)])
    assert -0.9 < claim("rho(k, a) at 10000").statistic < -0.6 and claim("rho(k, a) at 10000").verdict == "held"
    _, claim = run("manifold", [flower(p, times / (p + 1), last=800) for p in (0, 10)])
    assert claim("rho(k, a) at 800", "10 petals").verdict == claim("rho(petals, mean a) at 800").verdict == "reported"


def cell(petals, frequency, accuracy, runs=2, share=0.6):
    steps = np.arange(0, 101, 10)
    curve = np.minimum(np.linspace(0.5, 2 * accuracy - 0.5, 11), accuracy) + np.array([[0.001], [-0.001]])[:runs]
    arrays = {"steps": steps, "accuracy": curve, "loss": 1 - curve, "majority_share": np.full(runs, share)}
    arrays |= {"map": np.full((runs, 4, 4), 0.5), "inputs": np.zeros((5, 2)), "targets": np.ones((runs, 5))}
    settings = {"petals": petals, "frequency": frequency}
    return Trial(f"frequency={frequency} petals={petals}", settings, arrays)


def test_accuracy_by_cell_is_ordered_and_saturated_columns_do_not_count():
    cells = [cell(p, k, 1 if k == 50 else 0.8 - k / 1000 + p / 100) for p in (0, 10, 20) for k in (50, 100, 200)]
    found, claim = run("classification", cells[:-1])  # one is missing
    assert claim("rho(petals, accuracy)").statistic == pytest.approx(1)
    assert claim("rho(petals, accuracy)").verdict == "met" and "k = 50" in claim("rho(petals, accuracy)").note
    assert claim("rho(k, accuracy above").verdict == "met"
    axes = found.figures["accuracy"].axes[0]
    shown = axes.collections[0].get_array()
    assert shown.mask.reshape(3, 3)[2, 2] and shown.mask.sum() == 1
    assert [text.get_text() for text in axes.texts][1].endswith("(0.60)")
    assert found.figures["maps"].axes[0].get_title().replace("\n", " ").startswith("run 1: k = 100, 20 petals")


def test_the_order_in_frequency_is_that_of_what_is_above_a_constants_accuracy():
    """Accuracy rises with k because ever more samples are of one class; what is learned of the rest falls."""
    cells = [cell(10, k, 0.7 + k / 1000, share=0.4 + k / 450) for k in (50, 100, 200)]
    assert run("classification", cells)[1]("rho(k, accuracy above").statistic == pytest.approx(-1)
    assert skill(cell(10, 100, 0.8)) == pytest.approx([0.5, 0.5], abs=0.01)
    assert EXTENT == MAP_EXTENT


def test_a_smoother_network_is_found_smoother_than_neighbours():
    def by_run(values):
        return np.multiply.outer(WOBBLE, np.asarray(values, dtype=float))

    radii, counts = np.arange(16), np.array([1, 5, 20])
    arrays = {
        "neighbours": counts,
        "map": by_run(np.full((32, 32), 0.4)),
        "neighbour_maps": by_run(np.full((3, 32, 32), 0.4)),
        "radial_spectrum": by_run(np.exp(-radii)),
        "neighbour_radial_spectrum": by_run(np.exp(-radii / np.array([[5], [4], [3]]))),
        "radial_frequencies": radii / 3.2,
        "held_out_accuracy": by_run(0.9),
        "neighbour_accuracy": by_run([0.8, 0.7, 0.6]),
    }
    trials = [Trial(f"petals={p}", {"petals": p, "frequency": 150}, arrays) for p in (10, 20)]
    found, claim = run("neighbours", trials)
    assert claim("ln(high-frequency share", "k = 150, 20 petals").verdict == "held"
    assert claim("held-out accuracy of 5 ", "k = 150, 10 petals").statistic == pytest.approx(0.7)
    titles = [axes.get_title() for axes in found.figures["maps"].axes[:4]]
    assert titles == ["network", "1 nearest neighbour", "5 nearest neighbours", "20 nearest neighbours"]
    axes = found.figures["radial_spectra"].axes[0]
    assert axes.get_xlabel() == "periods per unit of length" and axes.get_ylabel() == "power per bin"
    assert np.allclose(axes.lines[0].get_xdata(), radii[1:] / 3.2)

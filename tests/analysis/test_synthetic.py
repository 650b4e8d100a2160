"""Claims on targets of known frequency, from arrays with planted truth; and the figures' numbers."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from analysis.studies import STUDIES
from analysis.studies.published import AMPLITUDE, FREQUENCIES, NETWORK, RATIO, agreement, comparable
from analysis.studies.trial import StudyError, Trial
from specbias.registry import load

STEPS = np.arange(0, 10_001, 100)
K = np.array(FREQUENCIES)


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def sines(times, runs=4, label="baseline", noise=0.02, **settings):
    """A trial whose amplitudes reach 0.5 at the times, and 1 at twice these."""
    factor = 1 + noise * np.random.default_rng(0).normal(size=(runs, 1, len(times)))
    amplitude = np.minimum(0.5 * STEPS[None, :, None] / (np.asarray(times) * factor), 1)
    residual = ((1 - amplitude) ** 2 / 2).sum(axis=2)
    measured = STEPS[::10]
    arrays = {
        "steps": STEPS,
        "frequencies": K[: len(times)],
        "amplitude": amplitude,
        "loss": residual,
        "spectral_bias": residual / 10,
        "measured_steps": measured,
        "spectral_norm": np.linspace(1, 3, len(measured))[None, :, None] * np.ones((runs, 1, 4)),
        "function": np.ones((runs, len(measured), 20)),
        "inputs": np.linspace(0, 1, 20)[:, None],
        "targets": np.zeros((runs, 20)),
    }
    return Trial(label, {"amplitudes": "equal", "width": 32, **settings}, arrays)


def run(study, *trials):
    """The study's findings, and its claims by trial and beginning of the name."""
    found = load(STUDIES[study])(list(trials))

    def claim(name, over=None):
        there = [c for c in found.claims if over in (None, c.trials) and c.name.startswith(name)]
        return one([c for c in there if c.name == name] or there)

    return found, claim


def one(items):
    assert len(items) == 1, items
    return items[0]


def test_low_frequencies_first_holds_where_planted_and_not_where_reversed():
    _, claim = run("sinusoids", sines(100.0 * K), sines(100.0 * K[::-1], label="reversed"))
    assert claim("rho(k, T_0.5)", "baseline").verdict == "held"
    assert claim("rho(k, T_0.5)", "baseline").statistic == pytest.approx(1)
    assert claim("rho(k, T_0.5)", "reversed").verdict == "not held"
    assert claim("rho(k, a) at 1000", "baseline").verdict == "held"
    assert claim("rho(k, a) at 1000", "reversed").statistic == pytest.approx(1)
    saturated = claim("rho(k, a) at 10000", "baseline")
    assert saturated.verdict == "undecided" and "of 10 learned" in saturated.note
    assert claim("T_0.5(50)", "baseline").statistic == pytest.approx(10, rel=0.05)
    assert claim("growth", "baseline").statistic == pytest.approx(3)


def test_a_single_run_decides_nothing():
    _, claim = run("sinusoids", sines(100.0 * K, runs=1))
    assert claim("rho(k, T_0.5)").statistic == pytest.approx(1) and claim("rho(k, T_0.5)").verdict == "undecided"


def test_too_few_learned_frequencies_leave_the_order_undecided():
    found, claim = run("sinusoids", sines(600.0 * K))  # 5, 10 and 15 within 10,000 updates
    claimed = claim("rho(k, T_0.5)")
    assert claimed.verdict == "undecided" and claimed.note.startswith("3 of 10 reached 0.5")
    assert claimed.statistic == pytest.approx(0.813, abs=0.01)
    assert found.numbers["baseline"]["T_0.5"][2:4] == [pytest.approx(9000, rel=0.05), None]
    assert claim("T_0.5(50)").note == "not both reached 0.5"


def test_the_heat_map_shows_the_average_of_the_runs():
    trial = sines(100.0 * K)
    found, _ = run("sinusoids", trial, sines(100.0 * K, label="activation=tanh"))
    panels = found.figures["amplitudes"].axes
    assert [axes.get_title() for axes in panels[:2]] == ["baseline, equal amplitudes", "activation=tanh"]
    shown = panels[0].collections[0].get_array().reshape(len(STEPS), len(K))
    assert np.allclose(shown, trial["amplitude"].mean(axis=0))
    assert [label.get_text() for label in panels[0].get_xticklabels()] == [str(k) for k in K]
    assert panels[0].get_xlabel() == "frequency k" and panels[0].get_ylabel() == "update"
    line = found.figures["curves"].axes[0].lines[0]
    assert np.allclose(line.get_ydata(), trial["loss"].mean(axis=0)[1:])
    assert len(found.figures["functions"].axes) == 8 and len(found.figures["spectral_norms"].axes[0].lines) == 4


def published_trial(amplitudes, shift=0.0, runs=4):
    """Runs about the authors' averages, moved by `shift`."""
    levels = AMPLITUDE[amplitudes]
    trial = sines(100.0 * K, runs, **NETWORK | {"amplitudes": amplitudes})
    for step, values in levels.items():
        near = np.abs(STEPS - step) <= 300
        spread = np.array([0.01, -0.01] * (runs // 2))[:, None, None]
        trial.arrays["amplitude"][:, near] = np.array(values) * (1 + spread) + shift
    return trial


@pytest.mark.parametrize("amplitudes", ["equal", "increasing"])
def test_the_authors_averages_are_compared_where_the_network_is_theirs(amplitudes):
    found, claim = run("sinusoids", published_trial(amplitudes))
    claims = [claim(f"frequencies that agree with the authors' at {step}") for step in (1000, 5000)]
    assert [c.verdict for c in claims] == ["held"] * 2 and [c.statistic for c in claims] == [10] * 2
    assert "authors" in found.tables[0] and f"{amplitudes} amplitudes" in found.tables[0]
    _, away = run("sinusoids", published_trial(amplitudes, shift=-0.3))
    assert away("frequencies that agree with the authors' at 5000").verdict == "not held"
    narrow = published_trial(amplitudes)
    narrow.settings["width"] = 64
    assert not comparable(narrow.settings) and run("sinusoids", narrow)[0].tables == []


def test_the_tolerance_is_two_errors_of_the_difference():
    ours = np.array([[0.4, 0.4], [0.6, 0.6]])  # mean 0.5, error 0.1
    edge = 2 * np.sqrt(1.5 * 0.1**2 + 0.01**2)
    mean, error, agrees = agreement(ours, np.array([0.5 + edge - 1e-6, 0.5 + edge + 1e-6]))
    assert mean.tolist() == [0.5, 0.5] and np.allclose(error, 0.1) and agrees.tolist() == [True, False]


def perturbed(**settings):
    """A trial with the authors' ratios."""
    trial = sines(100.0 * K, **settings)
    deltas = np.array([0, *RATIO])
    ratio = np.array([np.ones(10), *RATIO.values()])
    factor = 1 + np.array([-0.002, 0.0, 0.001, 0.002])[:, None, None]
    return Trial(trial.label, trial.settings, trial.arrays | {"deltas": deltas, "ratio": ratio * factor})


def test_the_authors_robustness_meets_the_claims_made_of_it():
    found, claim = run("perturbation", perturbed(**NETWORK))
    assert claim("rho(k, r) at delta 2").verdict == claim("r(50, 2)").verdict == claim("r(5, 2)").verdict == "held"
    assert claim("r(50, 2)").statistic == pytest.approx(0.31, abs=0.001)
    assert claim("rho(k, delta_0.9)").statistic < -0.9
    figure = found.figures["robustness"]
    labels = [line.get_label() for line in figure.axes[0].lines]
    assert labels == ["0.9 here", "0.5 here", "0.9 authors", "0.5 authors"]
    assert found.tables[0].count("authors") == 1 + len(RATIO)
    assert found.numbers["baseline"]["delta_0.5"][0] is None
    short = perturbed()
    short.arrays["deltas"] = short["deltas"] / 10
    assert not [c for c in run("perturbation", short)[0].claims if "delta" in c.name]


def test_petals_speed_up_learning_where_planted():
    flowers = [sines(times * K, label=f"petals={p}", petals=p) for p, times in ((16, 50), (0, 300), (4, 200), (10, 90))]
    found, claim = run("manifold", *flowers)
    for name in ("rho(petals, mean a) at 1000", "rho(petals, mean a) at 10000", "rho(petals, T_0.5(k))"):
        assert claim(name).verdict == "held"
    assert claim("rho(petals, mean squared error) at 1000").statistic == pytest.approx(-1)
    titles = [axes.get_title() for axes in found.figures["amplitudes"].axes[:4]]
    assert titles == ["circle (0 petals)", "4 petals", "10 petals", "16 petals"]
    for trial, petals in zip(flowers, (0, 16, 10, 4), strict=True):
        trial.settings["petals"] = petals
    assert run("manifold", *flowers)[1]("rho(petals, mean a) at 1000").verdict == "not held"


def cell(petals, frequency, accuracy, runs=2):
    steps = np.arange(0, 101, 10)
    curve = np.minimum(np.linspace(0.5, 2 * accuracy - 0.5, 11), accuracy) + np.array([[0.001], [-0.001]])[:runs]
    arrays = {"steps": steps, "accuracy": curve, "loss": 1 - curve, "majority_share": np.full(runs, 0.6)}
    arrays |= {"map": np.full((runs, 4, 4), 0.5), "inputs": np.zeros((5, 2)), "targets": np.ones((runs, 5))}
    settings = {"petals": petals, "frequency": frequency}
    return Trial(f"frequency={frequency} petals={petals}", settings, arrays)


def test_accuracy_by_cell_is_ordered_and_saturated_columns_do_not_count():
    cells = [cell(p, k, 1 if k == 50 else 0.8 - k / 1000 + p / 100) for p in (0, 10, 20) for k in (50, 100, 200)]
    found, claim = run("classification", *cells[:-1])  # one is missing
    assert claim("rho(petals, accuracy)").statistic == pytest.approx(1)
    assert claim("rho(petals, accuracy)").verdict == "held" and "k = 50" in claim("rho(petals, accuracy)").note
    assert claim("rho(k, accuracy)").verdict == "held"
    axes = found.figures["accuracy"].axes[0]
    shown = axes.collections[0].get_array()
    assert shown.mask.reshape(3, 3)[2, 2] and shown.mask.sum() == 1
    assert [text.get_text() for text in axes.texts][1].endswith("(0.60)")
    assert found.figures["maps"].axes[0].get_title().replace("\n", " ").startswith("run 1: k = 100, 20 petals")


def test_an_array_that_is_not_there_is_named():
    trial = sines(100.0 * K)
    del trial.arrays["amplitude"]
    with pytest.raises(StudyError, match="trial 'baseline' has no array 'amplitude'"):
        run("sinusoids", trial)

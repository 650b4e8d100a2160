"""Claims on targets of known frequency, from arrays with planted truth; and the figures' numbers."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from analysis.studies import STUDIES
from analysis.studies.published import AMPLITUDE, FIRST_BELOW, FREQUENCIES, NETWORK, RATIO, agreement, comparable
from analysis.studies.trial import StudyError, Trial
from specbias.settings.registry import load

STEPS = np.arange(0, 10_001, 100)
K = np.array(FREQUENCIES)


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def sines(times, runs=5, label="baseline", noise=0.02, **settings):
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


def test_of_a_single_run_the_value_is_judged():
    _, claim = run("sinusoids", sines(100.0 * K, runs=1))
    assert claim("rho(k, T_0.5)").statistic == pytest.approx(1) and claim("rho(k, T_0.5)").verdict == "met"


def test_runs_are_averaged_before_what_is_learned_in_full_is_clipped():
    """The second frequency is at 0.9 on average, less than the third: clipped first, 1.2 and 0.6 would be 0.8."""
    trial = sines(400.0 * K[:3], runs=2, noise=0)
    trial.arrays["amplitude"][:, 10] = [[1.0, 1.2, 0.85], [1.0, 0.6, 0.85]]
    trial.arrays["amplitude"][:, 8:13] = trial["amplitude"][:, 10:11]
    assert run("sinusoids", trial)[1]("rho(k, a) at 1000").statistic == pytest.approx(-1)


def test_the_order_before_a_thousand_updates_is_only_reported():
    trial = sines(100.0 * K)
    for name in ("steps", "measured_steps"):
        trial.arrays[name] = trial[name] // 20
    assert run("sinusoids", trial)[1]("rho(k, a) at 500").verdict == "reported"


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


def published_trial(amplitudes, shift=0.0, runs=6):
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
    assert [c.verdict for c in claims] == ["met"] * 2 and [c.statistic for c in claims] == [10] * 2
    assert "authors" in found.tables[0] and f"{amplitudes} amplitudes" in found.tables[0]
    _, away = run("sinusoids", published_trial(amplitudes, shift=-0.3))
    assert away("frequencies that agree with the authors' at 5000").verdict == "not met"
    for change in ({"frequencies": (5, 10)}, {"width": None}, {"width": 64}):
        other = published_trial(amplitudes)
        other.settings.update(change)
        assert not comparable(other.settings)
    assert run("sinusoids", other)[0].tables == []
    assert not any(comparable({k: v for k, v in NETWORK.items() if k != missing}) for missing in NETWORK)
    assert comparable(NETWORK | {"frequencies": FREQUENCIES})


def test_the_tolerance_is_two_errors_of_the_difference():
    ours = np.array([[0.4, 0.4, 1.2, 0.6], [0.6, 0.6, 0.6, 1.6]])  # means 0.5, 0.5, 0.9, 1.1; error 0.1 of the first
    edge = 2 * np.sqrt(1.1 * 0.1**2 + 0.01**2)
    mean, error, agrees = agreement(ours, np.array([0.5 + edge - 1e-6, 0.5 + edge + 1e-6, 0.9, 1.0]))
    assert np.allclose(mean, [0.5, 0.5, 0.9, 1.0]) and np.allclose(error, [0.1, 0.1, 0.3, 0.5])
    assert agrees.tolist() == [True, False, True, True]
    ten = np.tile(ours, (5, 1))
    spread = ten[:, 0].std(ddof=1) / np.sqrt(10)
    edge = 2 * np.sqrt(1.5 * spread**2 + 0.01**2)
    assert agreement(ten[:, :2], np.array([0.5 + edge - 1e-6, 0.5 + edge + 1e-6]))[2].tolist() == [True, False]


def test_the_published_numbers_are_the_figures():
    assert AMPLITUDE["equal"][1000][1] == 0.41 and AMPLITUDE["equal"][5000][6] == 0.25
    assert AMPLITUDE["equal"][10_000][-1] == 0.28 and AMPLITUDE["increasing"][1000][0] == 0.89
    assert AMPLITUDE["increasing"][5000][3] == 0.51 and AMPLITUDE["increasing"][10_000][4] == 0.56
    assert RATIO[0.5][-1] == 0.89 and RATIO[2.0][5] == 0.60 and RATIO[4.95][2] == 0.73
    assert FIRST_BELOW[0.9][2] == 1.97 and FIRST_BELOW[0.5][6] == 2.1 and np.isnan(FIRST_BELOW[0.5][3])


def perturbed(**settings):
    """A trial with the authors' ratios."""
    trial = sines(100.0 * K, **settings)
    deltas = np.array([0, *RATIO])
    ratio = np.array([np.ones(10), *RATIO.values()])
    factor = 1 + np.array([-0.002, -0.001, 0.0, 0.001, 0.002])[:, None, None]
    return Trial(trial.label, trial.settings, trial.arrays | {"deltas": deltas, "ratio": ratio * factor})


@pytest.mark.parametrize(("steps", "authors"), [(60_000, "authors"), (5_000, "authors, 60,000 updates")])
def test_the_authors_robustness_meets_the_claims_made_of_it(steps, authors):
    found, claim = run("perturbation", perturbed(**NETWORK, steps=steps))
    assert claim("rho(k, r) at delta 2").verdict == claim("r(50, 2)").verdict == claim("r(5, 2)").verdict == "held"
    assert claim("r(50, 2)").statistic == pytest.approx(0.31, abs=0.001)
    assert claim("rho(k, delta_0.9)").statistic < -0.9
    labels = [line.get_label() for line in found.figures["robustness"].axes[0].lines]
    assert labels == ["0.9 here", "0.5 here", f"0.9 {authors}", f"0.5 {authors}"]
    assert found.tables[0].count(f"  {authors}  ") == len(RATIO)
    assert found.numbers["baseline"]["delta_0.5"][0] is None
    short = perturbed()
    short.arrays["deltas"] = short["deltas"] / 10
    assert not [c for c in run("perturbation", short)[0].claims if "delta" in c.name]


def test_the_authors_robustness_is_that_of_equal_amplitudes():
    found, _ = run("perturbation", perturbed(**NETWORK | {"amplitudes": "increasing"}))
    assert found.tables == [] and len(found.figures["robustness"].axes[0].lines) == 2


def test_an_array_that_is_not_there_is_named():
    trial = sines(100.0 * K)
    del trial.arrays["amplitude"]
    with pytest.raises(StudyError, match="trial 'baseline' has no array 'amplitude'"):
        run("sinusoids", trial)

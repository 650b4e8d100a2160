"""The experiments on digits, spikes, and curved inputs: planted truth, and it drawn."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from analysis.figures import save
from analysis.studies import STUDIES
from analysis.studies.spike import series
from analysis.studies.trial import Trial
from specbias.settings.registry import load

STEPS = np.arange(0, 1001, 10)
WOBBLE = 1 + np.array([-0.01, -0.005, 0.0, 0.005, 0.01])  # of the runs


@pytest.fixture
def run(tmp_path):
    """Return a function: a study's findings, every figure saved, and its claims by trial and beginning of the name."""

    def found_by(study, trials):
        found = load(STUDIES[study])(trials)
        for name, figure in found.figures.items():
            assert all(path.stat().st_size > 1000 for path in save(figure, tmp_path, name))

        def claim(name, over=None):
            there = [c for c in found.claims if c.name.startswith(name) and over in (None, c.trials)]
            assert len(there) == 1, there
            return there[0]

        return found, claim

    yield found_by
    plt.close("all")


def by_run(values):
    """The values for every run, a little apart: (runs, ...)."""
    values = np.asarray(values, dtype=float)
    return WOBBLE.reshape(-1, *[1] * values.ndim) * values


def noisy(k, beta, low, final):
    validation = np.concatenate([np.linspace(1, low, 20), np.linspace(low, final, 81)])
    arrays = {
        "steps": STEPS,
        "loss": by_run(np.linspace(1, 0.01 * (1 + k), 101)),
        "validation_loss": by_run(validation),
    }
    return Trial(f"k={k}", {"noise_frequency": k, "noise_strength": beta}, arrays)


def test_low_noise_does_more_harm_where_planted(run):
    planted = {0.05: 0.2, 0.2: 0.16, 1.0: 0.07}
    trials = [noisy(k, b, 0.03 + b * best, 0.03 + b * best + b * k) for k, best in planted.items() for b in (0.5, 1.0)]
    found, claim = run("digit_noise", [noisy(0.1, 0.0, 0.03, 0.03), *trials])
    for name in ("rho(k, best", "rho(k, dip", "rho(k, last training"):
        assert claim(name, "strength 1").verdict == "held"
    assert claim("rho(k, best", "strength 0.5").verdict == "reported"
    assert claim("rho(k, dip", "strength 0.5").verdict == "held"
    slope = claim("slope of best loss")
    assert slope.verdict == "held" and slope.statistic == pytest.approx(0.2 - 0.07, abs=0.001)
    assert found.figures["validation"].axes[0].get_title() == "strength 0.5"


def spectral(noise, order):
    """The pure target is learned at once, the noise bin by bin until the end."""
    bins = np.arange(50)
    pure, noised = np.full(50, 0.1), np.full(50, 0.1) + (bins / 49 if noise == "ramp" else 0.5)
    taken = np.clip(STEPS[:, None] / (10 * (order * bins + 50)) - 0.5, 0, 1)
    spectrum = pure + (noised - pure) * taken
    validation = 0.05 + np.abs(STEPS - 200) / 1000 + (0.1 if noise == "white" else 0)
    arrays = {"steps": STEPS, "loss": by_run(np.linspace(1, 0.1, 101)), "validation_loss": by_run(validation)}
    arrays |= {name: by_run(v) for name, v in (("spectrum", spectrum), ("noised_spectrum", noised))}
    return Trial(noise, {"noise": noise}, arrays | {"pure_spectrum": by_run(pure)})


def test_the_noise_of_a_kernels_high_functions_is_left_at_the_best_update(run):
    _, claim = run("kernel_spectrum", [spectral("ramp", 0.5), spectral("white", 0.5)])
    assert claim("update of the best", "ramp").statistic == 200
    assert (
        claim("noise taken up", "ramp").statistic == pytest.approx(0) and claim("noise taken", "ramp").verdict == "held"
    )
    assert claim("rho(bin", "white").verdict == "held" and claim("rho(bin", "white").statistic > 0.9
    assert claim("best validation loss, ramp / white").verdict == "held"


def test_what_depth_does_is_told_from_what_width_does(run):
    sizes = [(3, 16, 10.0), (4, 16, 10.0), (6, 16, 10.0), (3, 32, 10.0)]
    trials = [
        Trial(
            f"{size}",
            dict(zip(("depth", "width", "weight_clip"), size, strict=True)),
            {
                "steps": STEPS,
                "spectrum": by_run(np.full((101, 9), 0.3)),
                "high_frequency": by_run(np.full(101, size[0] / 10 + size[1] / 1600)),
            },
        )
        for size in sizes
    ]
    found, claim = run("spike", trials)
    assert claim("rho(depth", "depth, at width=16 weight_clip=10").verdict == "held"
    assert claim("rho(width", "width, at depth=3 weight_clip=10").verdict == "reported"
    gain = claim("ln(gain with depth 6 / gain with width 32)")
    assert gain.statistic == pytest.approx(np.log(0.61 / 0.32)) and gain.verdict == "held"
    assert gain.note == f"share x {0.61 / 0.31:.3g} with depth, x {0.32 / 0.31:.3g} with width"
    assert len(found.figures["spectra"].axes) == 5  # and the colour bar


def curved(inputs, code, level):
    arrays = {"steps": STEPS, "loss": by_run(level * np.exp(-STEPS / 500)), "nearest_distance": np.array(code / 10)}
    arrays |= {"mean_distance": np.array(2.5)} | ({} if inputs == "flat" else {"explained_variance": np.array(0.8)})
    return Trial(f"{inputs} {code}", {"inputs": inputs, "code": code}, arrays)


def test_curved_inputs_are_slower_where_planted_for_each_code_on_its_own(run):
    planted = {("curved", 8): 1.0, ("flat", 8): 1.5, ("curved", 32): 2.0, ("flat", 32): 1.0, ("scaled", 32): 1.6}
    found, claim = run("curvature", [curved(*key, level) for key, level in planted.items()])
    assert claim("ln(loss curved / loss flat) at 500", "code 32").statistic == pytest.approx(np.log(2))
    assert claim("ln(loss curved / loss flat) at 1000", "code 32").verdict == "held"
    assert claim("ln(loss curved / loss flat) at 1000", "code 8").verdict == "not held"
    assert claim("ln(loss curved / loss scaled) at 1000", "code 32").statistic == pytest.approx(np.log(2 / 1.6))
    assert [axes.get_title() for axes in found.figures["curves"].axes] == ["code 8", "code 32"]
    few = [curved(inputs, 8, 1.0) for inputs in ("curved", "flat")]  # recorded twice: untrained, and at the end
    for trial in few:
        trial.arrays.update(steps=STEPS[[0, -1]], loss=trial["loss"][:, [0, -1]])
    assert [c.name for c in run("curvature", few)[0].claims] == ["ln(loss curved / loss flat) at 1000"]
    rows = [line.split() for line in found.tables[0].splitlines()[1:]]
    assert ["flat,", "code", "8", "0.80", "2.50", "-"] in rows and len(rows) == 5
    assert ["scaled,", "code", "32", "3.20", "2.50", "0.80"] in rows


def test_a_bound_of_0_is_none_and_the_largest():
    cells = {(6, 64, clip): Trial(str(clip), {}, {}) for clip in (0.0, 0.1, 2.0)}
    assert [list(varied) for varied in series(cells, 2).values()] == [[0.1, 2.0, np.inf]]

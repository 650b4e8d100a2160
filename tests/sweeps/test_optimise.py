"""A search: better than chance, honest about what ended early, and the same whether it is interrupted or not."""

import json
import math
import random
import statistics

import pytest

from sweeps.service.run.optimise import Optimiser

LOWER = {"m": "min"}


def space(trial):
    """Two numbers, and a kind of which two have a strength of their own."""
    found = {"x": trial.suggest_float("x", -5, 5), "rate": trial.suggest_float("rate", 1e-4, 1, log=True)}
    if (kind := trial.suggest_categorical("kind", ["none", "a", "b"])) == "a":
        found["a"] = trial.suggest_float("a", 0, 1)
    elif kind == "b":
        found["b"] = trial.suggest_int("b", 1, 10)
    return found


def value(settings):
    """Least, 0, at x=1, rate=0.03 and a=0.3."""
    penalty = abs(settings["a"] - 0.3) if "a" in settings else 3 + 0.1 * settings["b"] if "b" in settings else 2
    return (settings["x"] - 1) ** 2 + (math.log10(settings["rate"]) + 1.5) ** 2 + penalty


def make(sampler="tpe", seed=0, objectives=LOWER, space=space):
    return Optimiser(space, sampler=sampler, seed=seed, objectives=objectives)


def finish(optimiser, suggestion, **metrics):
    metrics = metrics or {"m": value(suggestion["settings"])}
    optimiser.tell(suggestion, outcome="finished", curve=[(1, {"m": -99.0}), (5, metrics)])


def later(sampler, seed, trials):
    """Run a search of so many trials; return the median value of its second half."""
    optimiser, found = make(sampler, seed), []
    for _ in range(trials):
        suggestion = optimiser.ask()
        found.append(value(suggestion["settings"]))
        finish(optimiser, suggestion)
    assert optimiser.best == (found.index(min(found)),)
    return statistics.median(found[trials // 2 :])


GP = pytest.param("gp", marks=pytest.mark.slow)  # seconds for a suggestion


@pytest.mark.parametrize(
    ("sampler", "trials", "seeds"), [("tpe", 40, 3), pytest.param("gp", 16, 1, marks=pytest.mark.slow)]
)
def test_a_sampler_that_looks_at_results_finds_lower_values_than_chance(sampler, trials, seeds):
    for seed in range(seeds):
        assert later(sampler, seed, trials) < 0.7 * later("random", seed, trials)


def test_generations_crowd_at_the_front_as_draws_do_not():
    """Two aims, near (0, 0) and near (1, 0): later generations of nsga2 fall between them more often."""

    def plane(trial):
        return {name: trial.suggest_float(name, -5, 5) for name in ("x", "y")}

    def share(sampler):
        optimiser, inside = make(sampler, objectives={"m": "min", "n": "min"}, space=plane), []
        for _ in range(96):
            suggestion = optimiser.ask()
            x, y = suggestion["settings"].values()
            inside.append(-0.5 < x < 1.5 and -1.5 < y < 1.5)
            finish(optimiser, suggestion, m=x**2 + y**2, n=(x - 1) ** 2 + y**2)
        return statistics.mean(inside[48:])

    assert share("nsga2") > 2 * share("random")


@pytest.mark.parametrize("sampler", ["tpe", GP, "nsga2", "random"])
@pytest.mark.parametrize("objectives", [LOWER, {"m": "min", "n": "max"}], ids=["one", "two"])
def test_a_search_that_is_recalled_goes_on_as_if_it_had_never_ended(sampler, objectives):
    """Its suggestions having been JSON in between, two of them still running; no draw comes twice.

    A child of nsga2 may be the copy of a parent.
    """
    rounds = 8 if sampler == "gp" else 16  # enough for it to look at results

    def end(optimiser, suggestion):
        finish(optimiser, suggestion, m=value(suggestion["settings"]), n=suggestion["settings"]["x"])

    whole = make(sampler, objectives=objectives)
    asked = [whole.ask(), whole.ask()]
    for _ in range(rounds):  # two at a time
        end(whole, asked[-2])
        asked.append(whole.ask())
    kept = json.loads(json.dumps(asked[: rounds - 1]))
    resumed = make(sampler, objectives=objectives)
    for suggestion in reversed(kept):  # in any order
        resumed.recall(suggestion)
    for suggestion in kept[:-2]:
        end(resumed, suggestion)
    again = kept[-2:]
    for i in range(3):
        end(resumed, again[-2])
        again.append(resumed.ask())
        assert again[-1] == asked[rounds - 1 + i]
    assert sampler == "nsga2" or len({json.dumps(each["params"]) for each in asked}) == len(asked)


def test_another_seed_is_another_search():
    first, again, other = (make(seed=seed).ask()["settings"] for seed in (0, 0, 1))
    assert first == again and first != other


def states(optimiser):
    return [trial.state.name for trial in optimiser.trials.values()]


def test_what_was_stopped_early_is_never_taken_for_a_result():
    """However good it was; of several objectives, and of a failure, nothing is told."""
    optimiser = make()
    curve = [(0, {"m": -7.0}), (2, {"m": math.nan}), (3, {"m": -9.0})]
    optimiser.tell(optimiser.ask(), outcome="stopped early", curve=curve)
    optimiser.tell(optimiser.ask(), outcome="stopped early", curve=[])
    optimiser.tell(optimiser.ask(), outcome="failed", curve=curve)
    assert states(optimiser) == ["PRUNED", "FAIL", "FAIL"]
    assert optimiser.trials[0].intermediate_values == {0: -7.0, 3: -9.0} and optimiser.trials[0].values is None
    assert optimiser.best == ()
    finish(optimiser, optimiser.ask(), m=100.0)
    assert optimiser.best == (3,)
    several = make(objectives={"m": "min", "n": "max"})
    several.tell(several.ask(), outcome="stopped early", curve=[(1, {"m": 0.0, "n": 0.0})])
    assert states(several) == ["FAIL"]


@pytest.mark.parametrize("metrics", [{"m": math.nan}, {"m": math.inf}, {"other": 1.0}])
def test_an_objective_that_is_missing_or_not_finite_is_no_result(metrics):
    optimiser = make()
    finish(optimiser, optimiser.ask(), **metrics)
    assert states(optimiser) == ["FAIL"]
    optimiser.ask()


@pytest.mark.parametrize("sampler", ["tpe", "gp", "nsga2", "random"])
def test_a_suggestion_carries_the_settings_of_its_branch_alone(sampler):
    """Also where others are running, and between any two ends."""
    optimiser, kinds, waiting = make(sampler), set(), []
    for i in range(24):
        waiting.append(optimiser.ask())
        kind, settings = waiting[-1]["params"]["kind"], waiting[-1]["settings"]
        assert set(settings) == {"x", "rate"} | ({kind} - {"none"})
        assert -5 <= settings["x"] <= 5 and 1e-4 <= settings["rate"] <= 1
        assert all(float(f"{number:.4g}") == number for number in settings.values())
        kinds.add(kind)
        if i % 3 == 2:
            finish(optimiser, waiting.pop(0))
    assert kinds == {"none", "a", "b"}


def test_the_best_of_several_objectives_are_those_that_no_other_beats():
    """Against brute force, with ties, failures and trials that still run."""
    generator = random.Random(3)
    optimiser, values = make("random", objectives={"m": "min", "n": "max"}), {}
    for number in range(40):
        suggestion = optimiser.ask()
        m, n = generator.randrange(8), generator.randrange(8)
        if number % 5 == 0:
            optimiser.tell(suggestion, outcome="failed", curve=[(1, {"m": -1, "n": 99})])
        elif number % 7:
            finish(optimiser, suggestion, m=float(m), n=float(n))
            values[number] = (m, -n)
    front = {
        number
        for number, own in values.items()
        if not any(v != own and v[0] <= own[0] and v[1] <= own[1] for v in values.values())
    }
    assert set(optimiser.best) == front and len(front) > 1


def test_a_maximum_is_a_minimum_of_the_opposite():
    def asked(mode, sign):
        optimiser = make(objectives={"m": mode})
        for _ in range(15):
            suggestion = optimiser.ask()
            finish(optimiser, suggestion, m=sign * value(suggestion["settings"]))
        return optimiser.ask()["params"], optimiser.best

    assert asked("min", 1) == asked("max", -1)

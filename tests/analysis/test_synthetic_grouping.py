"""Trials as sweeps plan them and arrays as the core makes them: what an analysis groups, and what it puts together."""

import importlib

import numpy as np
import pytest

from analysis.studies import STUDIES
from analysis.studies.trial import StudyError, Trial, by_settings
from specbias.synthetic.config import CONFIGS
from specbias.synthetic.run import run_experiment
from sweeps.service.ask.options import Options
from sweeps.service.ask.plan import make_plan
from sweeps.synthetic import STUDIES as SWEEPS

KEYS = {kind: getattr(importlib.import_module(path.split(":")[0]), "KEYS", None) for kind, path in STUDIES.items()}
ALONE = {"sinusoids", "perturbation", "class_paths"}  # every trial on its own
TINY = {  # an experiment of seconds
    "perturbation": {"deltas": 3, "directions": 1},
    "digit_noise": {"dataset": "digits"},
    "kernel_spectrum": {"samples": 30},
    "classification": {"samples": 50, "frequency": 5},
    "neighbours": {"samples": 50, "frequency": 5, "neighbours": (1, 2, 3)},
    "curvature": {"samples": 30, "autoencoder_updates": 1},
}


def test_every_study_can_be_analysed_and_groups_its_trials_or_not():
    assert set(STUDIES) == set(CONFIGS) and {kind for kind, keys in KEYS.items() if keys is None} == ALONE


@pytest.mark.parametrize(
    ("kind", "preset"), [(kind, preset) for kind, keys in KEYS.items() if keys for preset in SWEEPS[kind].presets]
)
@pytest.mark.parametrize("seeds", [1, 2])
def test_every_trial_of_every_preset_has_a_place_of_its_own_and_seeds_share_it(kind, preset, seeds):
    plan = make_plan(SWEEPS[kind], Options(preset=preset, seeds=seeds), gpus=0.0, cpus=2)
    trials = [Trial(plan.label(config), config.to_dict(), {}) for config in plan.trials]
    assert len(by_settings(trials, *KEYS[kind])) * seeds == len(trials)


@pytest.mark.parametrize("kind", sorted(set(CONFIGS) - {"class_paths"}))
def test_what_is_by_run_is_what_grows_with_the_runs(kind):
    """Every array of every experiment: its first axis is the runs, or it is the same array for any number of runs."""

    def arrays(runs):
        tiny = {"runs": runs, "steps": 1, "width": 4, "depth": 3}
        return [found.arrays for _, found in run_experiment(CONFIGS[kind](**tiny, **TINY.get(kind, {})))][-1]

    few, many = arrays(2), arrays(5)
    trial = Trial("few", {}, few)
    for name, array in few.items():
        by_run = array.ndim > 0 and (len(array), len(many[name])) == (2, 5)
        assert trial.is_by_run(name) == by_run, name
        assert by_run or array.shape == many[name].shape
    twice = by_settings([Trial(str(seed), {"seed": seed}, few) for seed in (0, 1)])[()]
    assert {name: len(twice[name]) // len(few[name]) for name in few if few[name].ndim} == {
        name: 2 if trial.is_by_run(name) else 1 for name in few if few[name].ndim
    }


def test_none_is_a_key_and_comes_first():
    trials = [Trial(str(code), {"code": code, "inputs": "flat"}, {}) for code in (16, None, 8)]
    assert list(by_settings(trials, "code", "inputs")) == [(None, "flat"), (8, "flat"), (16, "flat")]


def test_trials_that_differ_in_the_seed_are_put_together_and_others_refused():
    settings = {"petals": 4, "width": 7}
    trials = [
        Trial("t", settings | {"seed": seed}, {"steps": np.arange(6), "loss": np.full((3, 6), seed)}) for seed in (0, 1)
    ]
    together = by_settings(trials, "petals")[4]
    assert together["loss"].tolist() == [[0] * 6] * 3 + [[1] * 6] * 3 and together["steps"].tolist() == list(range(6))
    trials[1].settings["width"] = 8
    with pytest.raises(StudyError, match="also differ in width"):
        by_settings(trials, "petals")


def test_values_that_differ_by_rounding_are_one_key():
    trials = [
        Trial(str(seed), {"strength": value, "seed": seed}, {"steps": np.arange(6), "loss": np.full((3, 6), seed)})
        for seed, value in enumerate((0.3, 0.1 + 0.2, 0.3 + 1e-9))
    ]
    found = by_settings(trials, "strength")
    assert [(key, len(trial["loss"])) for key, trial in found.items()] == [(0.3, 6), (0.3 + 1e-9, 3)]

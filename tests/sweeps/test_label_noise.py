"""Every wave with every intervention, beside the control: what the study plans, and one sweep of it for real."""

import itertools

import pytest

from specbias.settings import SettingError
from sweeps import cifar
from sweeps.label_noise import STUDY
from sweeps.service.ask.options import Options
from sweeps.service.ask.plan import make_plan
from sweeps.service.run.tuner import run_sweep

QUICK = [
    "noise_type=uniform",
    "noise_type=radial noise_frequency=0.02",
    "noise_type=radial noise_frequency=0.05",
    "noise_type=radial noise_frequency=0.15",
    "noise_type=fourier noise_spatial_frequency=4.0 noise_frequency=0.05",
]


def plan(**options):
    return make_plan(STUDY, Options(**{"quick": True} | options), gpus=0.0, cpus=2)


def labels(found):
    return [found.label(config) for config in found.trials]


def test_an_intervention_is_tried_under_every_wave_beside_the_baseline():
    found = plan(interventions="cutout")
    assert labels(found) == QUICK + [f"{wave} cutout=16" for wave in QUICK]
    assert [found.intervention(config) for config in found.trials] == ["baseline"] * 5 + ["cutout"] * 5
    assert {config.label_noise for config in found.trials} == {0.4}


def test_no_intervention_leaves_the_waves_alone():
    assert labels(plan(interventions="none")) == QUICK
    alone = make_plan(cifar.STUDY, Options(quick=True, interventions="none"), gpus=0.0, cpus=2)
    assert [alone.label(config) for config in alone.trials] == ["baseline"]


def test_a_grid_takes_the_place_of_the_waves_too():
    found = plan(grid=("noise_type=radial,uniform", "noise_frequency=0.1,0.2", "cutout=0,8"))
    radial = [f"noise_frequency={f}" + " cutout=8" * bool(c) for f, c in itertools.product((0.1, 0.2), (0, 8))]
    uniform = ["noise_type=uniform", "noise_type=uniform cutout=8"]  # once: it has no frequency
    assert labels(found) == radial + uniform


@pytest.mark.parametrize(
    ("setting", "planned"),
    [
        ("noise_frequency=0.07", ["uniform", "radial", "fourier"]),
        ("noise_type=radial", ["radial"] * 4),  # of the preset's three frequencies, and the setting's own default
        ("label_noise=0.1", ["uniform", "radial", "radial", "radial", "fourier"]),
    ],
)
def test_what_is_set_holds_under_every_wave(setting, planned):
    found = plan(interventions="none", set=(setting,))
    assert [config.noise_type for config in found.trials] == planned
    name, value = setting.split("=")
    assert {str(getattr(c, name)) for c in found.trials if c.noise_type != "uniform" or name == "label_noise"} == {
        value
    }


def test_random_search_draws_wave_and_interventions_together():
    found = plan(search="random", num_samples=12)
    assert len(found.trials) == 12 and len({config.noise_type for config in found.trials}) == 3
    with pytest.raises(SettingError, match="must be from 1 to 20"):  # 5 waves, 2 x 2 interventions
        plan(search="random", num_samples=21)


def test_every_epoch_is_measured_without_paths_unless_asked_for():
    assert {c.epochs_to_measure for c in plan(epochs=7).trials} == {tuple(range(8))}
    assert {c.probe_pairs for c in plan().trials} == {0}
    assert plan(set=("measurement_epochs=0,3",)).base.epochs_to_measure == (0, 3, 20)


@pytest.mark.parametrize(
    ("name", "waves", "interventions"),
    [("quick", 5, 2), ("laptop", 4, 4), pytest.param("paper", 91, 4, marks=pytest.mark.slow)],
)
def test_every_preset_plans_distinct_trials_that_can_run(name, waves, interventions):
    found = plan(quick=False, preset=name)
    assert len({c.trial_id for c in found.trials}) == len(found.trials) == waves * (1 + interventions)
    strengths = {(c.label_noise, c.noise_type) for c in found.trials}
    assert {(strength, "uniform") for strength, _ in strengths} <= strengths  # each has its control


@pytest.mark.slow
@pytest.mark.usefixtures("ray_with_two_gpus")
def test_a_sweep_of_a_wave_and_its_control_ends_well(tmp_path, capsys):
    options = Options(
        quick=True,
        grid=("noise_type=uniform,radial",),
        set=("epochs=1", "train_size=100", "width=4", "device=cpu"),
        storage_path=str(tmp_path / "ray"),
        tracking_uri=f"sqlite:///{tmp_path}/mlflow.db",
    )
    assert run_sweep(STUDY, options) == 0
    said = capsys.readouterr().out
    assert "2 finished" in said and "The figure:\n" in said and "analysis/noise_fitting.py" in said

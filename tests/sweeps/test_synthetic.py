"""Studies on targets of known frequency: what each plans, and one sweep of them for real, through the same service."""

import subprocess
import sys
from pathlib import Path

import mlflow
import numpy as np
import pytest

from specbias.settings import SettingError
from specbias.synthetic.config import CONFIGS
from sweeps.service.ask.options import Options
from sweeps.service.ask.plan import make_plan
from sweeps.service.command_line import main_of
from sweeps.service.run.tuner import run_sweep
from sweeps.synthetic import STUDIES

TINY = ("steps=200", "runs=2", "width=8", "depth=3", "record_every=50")


def plan(kind, **options):
    return make_plan(STUDIES[kind], Options(**options), gpus=0.0, cpus=2)


def test_every_experiment_is_a_study_of_that_name():
    assert STUDIES.keys() == CONFIGS.keys()
    assert all(study.kind.config_class is CONFIGS[name] for name, study in STUDIES.items())


def test_the_script_takes_the_name_of_a_study_and_then_its_flags(monkeypatch, capsys):
    def call(*words):
        monkeypatch.setattr(sys, "argv", ["sweeps/synthetic.py", *words])
        with pytest.raises(SystemExit) as end:
            main_of(STUDIES, "Which?")
        return end.value.code, *capsys.readouterr()

    for words in ([], ["--help"]):
        code, out, _ = call(*words)
        assert code == 0 and "usage: synthetic.py NAME" in out and all(name in out for name in STUDIES)
    monkeypatch.chdir(Path(__file__).parents[2])
    for old in {*STUDIES} - {"sinusoids", "class_paths"}:  # scripts of their own once
        done = subprocess.run(
            [sys.executable, f"sweeps/{old}.py", "--quick", "--dry-run"], capture_output=True, text=True
        )
        assert done.returncode == 0 and done.stdout.startswith(f"{old}, preset quick: "), old
    code, out, _ = call("spike", "--help")
    assert code == 0 and "usage: synthetic.py spike" in out and "How do depth, width and a bound" in out
    code, out, _ = call("spike", "--quick", "--dry-run")
    assert code == 0 and "spike, preset quick: 5 trials" in out
    code, _, error = call("spikes", "--quick")
    assert code == 2 and error.startswith("error: unknown study 'spikes': did you mean spike? known: ")


@pytest.mark.parametrize("kind", STUDIES)
def test_every_preset_of_every_study_is_a_plan_of_distinct_trials(kind, tmp_path):
    (tmp_path / "weights.pt").touch()
    named = (f"checkpoint={tmp_path / 'weights.pt'}",) if kind == "class_paths" else ()
    for preset in STUDIES[kind].presets:
        found = plan(kind, preset=preset, set=named)
        assert len({config.trial_id for config in found.trials}) == len(found.trials) >= 1
        assert all(0 < STUDIES[kind].kind.seconds(config) < float("inf") for config in found.trials)
    assert STUDIES[kind].name == kind


def test_trials_of_two_studies_are_never_taken_for_each_other():
    identities = [config_class().trial_id for config_class in CONFIGS.values()]
    assert len(set(identities)) == len(identities)


def test_every_number_of_petals_is_tried_with_every_frequency():
    cells = {(config.frequency, config.petals) for config in plan("classification", preset="quick").trials}
    assert cells == {(k, petals) for k in (50, 100, 200) for petals in (0, 10, 20)}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (("samples=60",), "Nyquist"),
        (("steps=0",), "steps=0"),
        (("petals=3",), "unknown setting 'petals'"),
    ],
)
def test_what_cannot_be_is_said_before_anything_runs(settings, said):
    with pytest.raises(SettingError, match=said):
        plan("sinusoids", set=settings)


def test_flags_of_settings_that_a_study_has_not_are_refused():
    for flag, value in (("epochs", 5), ("dataset", "mnist"), ("model", "resnet18")):
        with pytest.raises(SettingError, match=f"--{flag} {value}: sinusoids has no such setting"):
            plan("sinusoids", **{flag: value})
    assert plan("curvature", dataset="mnist", preset="quick").base.dataset == "mnist"


@pytest.mark.slow
def test_a_sweep_keeps_the_curves_of_every_run_and_no_more_trials_run_at_once_than_asked(ray_with_two_gpus, tmp_path):
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    options = Options(
        quick=True,
        set=TINY,
        max_concurrent=1,
        gpus_per_trial="0",
        tracking_uri=uri,
        storage_path=str(tmp_path / "ray"),
        experiment="sines",
    )
    assert run_sweep(STUDIES["sinusoids"], options) == 0
    client = mlflow.MlflowClient(uri)
    runs = client.search_runs([client.get_experiment_by_name("sines").experiment_id], "tags.specbias.trial_id != ''")
    assert sorted(run.data.params["amplitudes"] for run in runs) == ["equal", "increasing"]
    first, second = sorted((run.info.start_time, run.info.end_time) for run in runs)
    assert first[1] <= second[0]
    for run in runs:
        history = client.get_metric_history(run.info.run_id, "synthetic/loss")
        with np.load(client.download_artifacts(run.info.run_id, "measurements/epoch_0200.npz")) as last:
            assert last["steps"].tolist() == [0, 50, 100, 150, 200] == [metric.step for metric in history]
            assert last["amplitude"].shape == (2, 5, 10)
            assert [metric.value for metric in history] == pytest.approx(last["loss"].mean(axis=0), rel=1e-6)

"""What a sweep prints in the end can be called as it stands: after one trial, of any study, into any store."""

import importlib
import runpy
import shlex
import sys
from pathlib import Path

import pytest

from sweeps.service.ask.options import Options
from sweeps.service.run.tuner import run_sweep

pytestmark = pytest.mark.usefixtures("ray_with_two_gpus")
TINY = ("epochs=2", "train_size=100", "width=4", "spacing=3.0", "device=cpu")
SINES = ("steps=100", "runs=2", "width=8", "depth=3", "record_every=50")
LEAVES = ("epochs=1", "train_size=100", "width=4", "class_pairs=2", "class_samples=8", "measurement_epochs=1")


@pytest.fixture
def ends(tmp_path, monkeypatch, capsys, empty_store):
    """Return a function that runs a tiny sweep, then each command it prints but MLflow's: what those print."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    uri = empty_store(tmp_path)

    def end(study, *settings, options_class=Options, **options):
        usual = {"preset": "quick", "experiment": "tiny", "gpus_per_trial": "0", "storage_path": str(tmp_path / "ray")}
        module = importlib.import_module(f"sweeps.{study}")
        status = run_sweep(module.STUDY, options_class(**usual | {"tracking_uri": uri, "set": settings} | options))
        said = capsys.readouterr().out
        commands = [shlex.split(line) for line in said.splitlines() if "analysis/" in line and "--" in line]
        assert status == 0 and commands, said
        for _, script, *words in commands:
            monkeypatch.setattr(sys, "argv", [script, *words])
            runpy.run_path(script, run_name="__main__")
        return [Path(script).stem for _, script, *_ in commands], capsys.readouterr().out

    return end


@pytest.mark.slow
def test_of_one_trial_the_figure_is_drawn_and_no_correlation(ends, tmp_path):
    scripts, said = ends("cifar", *TINY, "probe_pairs=1", interventions="none")
    assert scripts == ["interventions"]
    assert "no correlation and no claim: they take 5 settings" in said
    assert (tmp_path / "figures" / "tiny" / "interventions.png").exists()


def nightly(*values):
    return pytest.param(*values, marks=pytest.mark.nightly)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("study", "settings", "options", "scripts"),
    [
        nightly("cifar", (*TINY, "probe_pairs=1"), {"grid": ("width=4,8",), "seeds": 2}, ["interventions"]),
        nightly("cifar", TINY, {"search": "optuna", "num_samples": 2, "scheduler": "asha"}, ["interventions"]),
        nightly("cifar", (*TINY, "probe_pairs=0"), {"interventions": "mixup"}, ["export"]),
        (
            "cifar",
            (*TINY, "probe_pairs=1", "label_noise=0.4"),
            {"interventions": "cutout"},
            ["interventions", "noise_fitting"],
        ),
        nightly("label_noise", TINY, {"interventions": "none"}, ["noise_fitting"]),
        ("imagenet", LEAVES, {"interventions": "none"}, ["class_diversity"]),
        ("sinusoids", SINES, {"records": "r.csv", "grid": ("amplitudes=equal",)}, ["synthetic"]),
    ],
)
def test_whatever_was_measured_the_printed_command_works(ends, study, settings, options, scripts):
    assert ends(study, *settings, **options)[0] == scripts


@pytest.mark.nightly
def test_a_list_of_two_networks_is_drawn(ends, tmp_path):
    from sweeps.checkpoints import ListOptions

    (tmp_path / "list.csv").write_text('model,checkpoint,model_args\nsmall_cnn,,"{""width"": 4}"\nresnet20,,\n')
    settings = ("pairs=1", "dataset=digits", "device=cpu")
    options = {"options_class": ListOptions, "models": "list.csv"}
    assert ends("checkpoints", *settings, **options)[0] == ["interventions"]
    assert ends("checkpoints", *settings, "split=validation", **options)[0] == ["export"]

"""Networks and interventions of one's own in sweeps: the examples of the docs, and a file that is gone meanwhile."""

import re
import shlex
from dataclasses import replace
from pathlib import Path

import mlflow
import pytest
import tyro

from specbias.settings import SettingError, own_code
from specbias.trials.trial import run_trial
from sweeps import imagenet
from sweeps.checkpoints import ListedNetwork
from sweeps.cifar import STUDY
from sweeps.service.ask.options import Options, identified
from sweeps.service.ask.plan import make_plan
from sweeps.service.machines.environment import Environment
from sweeps.service.run.tuner import run_sweep

PAGE = (Path(__file__).parents[2] / "docs" / "interventions.md").read_text()
SECTION = PAGE.partition("## An architecture or an intervention of your own")[2].partition("\n## ")[0]
FILES = dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", SECTION, re.DOTALL))
COMMANDS = re.findall(r"^python sweeps/cifar.py (.*)$", SECTION, re.MULTILINE)


@pytest.fixture
def files(tmp_path, monkeypatch):
    """The docs' files in the current folder, and no code of one's own in this process yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(own_code, "_files", {})
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def plan(study=STUDY, **options):
    return make_plan(study, Options(**{"quick": True} | options), gpus=0.0, cpus=2)


def test_the_docs_show_two_files_and_what_to_do_with_them():
    assert list(FILES) == ["my_networks.py", "my_interventions.py"] and len(COMMANDS) == 3


@pytest.mark.parametrize("command", COMMANDS)
def test_the_examples_of_the_docs_are_planned_prepared_and_run(files, command):
    found = make_plan(STUDY, tyro.cli(Options, args=shlex.split(command)), gpus=0.0, cpus=2)
    assert len(found.trials) == {"--model": 15, "--grid": 4, "--set": 3}[command.split()[1]]
    for config in found.trials:
        STUDY.kind.prepare(config)
    own = [c for c in found.trials if ":" in c.model or c.own_intervention]
    short = replace(own[-1], epochs=1, train_size=100, measurement_epochs=(1,), probe_pairs=0)
    [(_, measurement)] = run_trial(short)
    assert 0 < measurement.metrics["generalization/train_loss"] < 10


def test_levels_are_networks_of_ours_and_of_ones_own_and_another_version_is_another_trial(files):
    grid = {"grid": ("model=resnet18,my_networks:make", "mixup=0,0.4")}
    first = plan(**grid)
    assert [c.model.partition("#")[0] for c in first.trials] == ["resnet18"] * 2 + ["my_networks:make"] * 2
    assert first.label(first.trials[-1]).startswith("model=my_networks:make#")
    assert plan(**grid).sweep_id == first.sweep_id
    file = files / "my_networks.py"
    file.write_text(file.read_text().replace("nn.ReLU()", "nn.GELU()"))
    second = plan(**grid)
    same = [one.trial_id == other.trial_id for one, other in zip(first.trials, second.trials, strict=True)]
    assert same == [True, True, False, False]
    strengths = plan(set=("own_intervention=my_interventions:blur",), grid=("own_strength=0,0.5",))
    assert strengths.trials[0].trial_id == plan(interventions="none").trials[0].trial_id


def test_a_search_chooses_among_them_and_what_its_journal_names_runs_nothing(files):
    found = plan(search="optuna", grid=("model=small_cnn,my_networks:make",))
    assert "my_networks:make#" in found.search.description
    with pytest.raises(SettingError, match="its file is not here"):
        found.with_trial({"model": f"{files}/my_interventions.py:blur"})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"model": "my_networks.py:build"},
            "model=my_networks.py:build: there is no function 'build' in the file; it has: make",
        ),
        ({"model": "my_network.py:make"}, "my_network.py: No such file"),
        ({"set": ("own_intervention=my_interventions:blur",)}, "--set own_intervention=.*: no trial uses it"),
        ({"set": ("own_intervention=blur",)}, "own_intervention=blur: expected FILE.py:FUNCTION"),
        ({"set": ("own_strength=1",)}, "own_strength=1.0: of what"),
        (
            {"model": "my_networks.py:make", "set": ("dropout=0.5",)},
            "dropout=0.5: my_networks:make.* has no such param",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_one_line_before_anything_is_run(files, options, said):
    with pytest.raises(SettingError, match=said) as error:
        plan(**{"interventions": "none"} | options)
    assert "\n" not in str(error.value)


def test_a_driver_elsewhere_is_given_names_and_files(files):
    options = Options(model="my_networks.py:make", set=("own_intervention=my_interventions:blur", "epochs=3"))
    sent, carried = identified(STUDY, replace(options, grid=("own_strength=0,1",))), own_code.files()
    own_code._files.clear()
    for name in FILES:
        (files / name).unlink()
    Environment(files=carried).enter()
    found = make_plan(STUDY, replace(sent, quick=True), gpus=0.0, cpus=2)
    assert len(found.trials) == 2 and found.base.epochs == 3


def test_other_studies_take_them_too(files):
    found = plan(imagenet.STUDY, model="my_networks.py:make", set=("feature_model=my_networks.py:make", "classes=20"))
    assert {c.model.partition("#")[0] for c in found.trials if c.part == "training"} == {"my_networks:make"}
    listed = ListedNetwork.parse("model", "my_networks.py:make")
    assert (
        listed.startswith("my_networks:make#")
        and ListedNetwork.parse("model", "some.package:make") == "some.package:make"
    )


def prepare_and_lose(config):
    """Prepare as the study does, and lose the files: what runs after this has them from the driver."""
    STUDY.kind.prepare(config)
    for name in FILES:
        Path(name).unlink(missing_ok=True)


@pytest.mark.slow
def test_the_workers_have_the_files_from_the_driver_and_mlflow_keeps_them(ray_with_two_gpus, files, empty_store):
    uri = empty_store(files)
    options = Options(
        quick=True,
        model="my_networks.py:make",
        set=("own_intervention=my_interventions.py:blur", "epochs=1", "train_size=100", "probe_pairs=1", "device=cpu"),
        grid=("own_strength=0,1",),
        storage_path=str(files / "ray"),
        tracking_uri=uri,
        experiment="own",
    )
    assert run_sweep(replace(STUDY, kind=replace(STUDY.kind, prepare=prepare_and_lose)), options) == 0
    client = mlflow.MlflowClient(tracking_uri=uri)
    runs = client.search_runs([client.get_experiment_by_name("own").experiment_id])
    trials = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    parent = next(run for run in runs if "mlflow.parentRunId" not in run.data.tags)
    assert [run.info.status for run in trials] == ["FINISHED"] * 2
    kept = {file.path for file in client.list_artifacts(parent.info.run_id, "own_code")}
    named = {run.data.params[name] for run in trials for name in ("model", "own_intervention")} - {"None"}
    assert kept == {f"own_code/{name.partition('#')[2]}.py" for name in named} and len(kept) == 2

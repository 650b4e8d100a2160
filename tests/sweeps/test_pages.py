"""What MLflow's pages show of a sweep: its trials in a list, the parent's numbers, and a picture of each trial."""

import re
import tempfile
from dataclasses import replace
from types import SimpleNamespace
from urllib.parse import parse_qs

import numpy as np
import pytest

from specbias.pictures import spectra_png
from sweeps.cifar import STUDY
from sweeps.service.ask.options import Options
from sweeps.service.ask.plan import make_plan
from sweeps.service.keep.journal import Journal
from sweeps.service.keep.opening import begin, open_sweep
from sweeps.service.keep.tracking import trials_url
from sweeps.service.run.copying import Copier
from sweeps.service.run.ledger import Ledger

AXIS = np.linspace(0, 0.5, 51)
SPECTRA = {"frequency/axis": AXIS, "frequency/band": np.array(0.05)}
for kind in ("within_class", "between_class"):
    SPECTRA |= {f"frequency/{kind}/spectrum": 1 / (0.01 + AXIS), f"frequency/{kind}/fixed_band": np.full(3, 0.2)}
KEYS = [*STUDY.columns]


def test_the_url_says_which_view_whose_trials_and_in_what_order_and_holds_no_password():
    url = trials_url("http://me:secret@host:5000/", "7", "abc", "generalization/test_accuracy")
    page, _, asked = url.partition("?")
    assert page == "http://host:5000/#/experiments/7/runs" and " " not in url and "secret" not in url
    assert parse_qs(asked) == {
        "workflowType": ["machine_learning"],
        "searchFilter": ["tags.mlflow.parentRunId = 'abc'"],
        "orderByKey": ["metrics.`generalization/test_accuracy`"],
        "orderByAsc": ["false"],
    }
    assert trials_url("sqlite:////there/mlflow.db", "7", "abc", "x").startswith("http://127.0.0.1:5000/#/experiments/7")


@pytest.fixture
def swept(tmp_path, empty_store):
    """Return a function that has a sweep of two trials with these arrays finish, and its tracking."""

    def sweep(arrays, study=STUDY):
        plan = make_plan(study, Options(quick=True, interventions="mixup"), gpus=0)
        root = str(tmp_path / "trials")
        with open_sweep(plan, uri=empty_store(tmp_path), storage_path=str(tmp_path)) as tracking:
            begin(tracking, plan)
            copier = Copier(tracking, ledger := Ledger(plan, {}), root, tags={}, records=None)
            for number, config in enumerate(ledger.waiting):
                journal, metrics = Journal(root, config.trial_id), dict.fromkeys(KEYS, 0.5 + number / 4)
                found = SimpleNamespace(step=config.epochs, metrics=metrics, arrays=arrays)
                journal.write(token := journal.start({}), found, lambda folder: None)
                journal.end("complete", token=token)
                for _ in range(2):  # again, as after a lost answer
                    copier.copy(config, {config.epochs}, {"outcome": "finished", "failure": "", "traceback": ""})
            ends = {config.trial_id: {"outcome": "finished"} for config in plan.trials}
            tracking.end_sweep(plan, ends, "finished")
            return tracking.lock.claims.client, tracking

    return sweep


def test_the_parent_has_the_way_to_the_trials_and_what_they_came_to(swept):
    client, tracking = swept(SPECTRA)
    parent = client.get_run(tracking.parent_id)
    url = trials_url(tracking.uri, tracking.experiment_id, tracking.parent_id, KEYS[0])
    assert parent.data.tags["specbias.trials_page"] == url and f"]({url})" in parent.data.tags["mlflow.note.content"]
    assert parent.data.tags["mlflow.note.content"].startswith(STUDY.question.splitlines()[0])
    expected = {f"{end}/{key}": value for key in KEYS for end, value in (("lowest", 0.5), ("highest", 0.75))}
    assert parent.data.metrics == expected | {"trials/finished": 2.0}


def test_each_finished_trial_has_one_picture_of_its_spectra(swept):
    client, tracking = swept(SPECTRA)
    for run_id in tracking.run_ids.values():
        files = [file.path for file in client.list_artifacts(run_id, "images")]
        (picture,) = [file for file in files if file.endswith(".png")]
        assert re.match("images/spectrum[+%]step[+%]20[+%]", picture)  # + since MLflow 3.11
        assert len(files) == 2  # MLflow keeps a small one too
        with tempfile.TemporaryDirectory() as folder:
            file = client.download_artifacts(run_id, picture, folder)
            with open(file, "rb") as content:
                assert content.read(8) == b"\x89PNG\r\n\x1a\n"


def test_what_cannot_be_drawn_has_no_picture_and_costs_no_trial(swept, capsys):
    def broken(arrays):
        raise ValueError("no such thing")

    client, tracking = swept(SPECTRA, study=replace(STUDY, kind=replace(STUDY.kind, picture=broken)))
    assert "baseline: no picture of it: ValueError: no such thing" in capsys.readouterr().out
    assert all(not client.list_artifacts(run_id, "images") for run_id in tracking.run_ids.values())
    assert {client.get_run(run_id).info.status for run_id in tracking.run_ids.values()} == {"FINISHED"}


def test_what_has_no_spectra_has_no_picture(swept):
    assert spectra_png({"x": np.zeros(3)}) is None
    client, tracking = swept({"x": np.zeros(3)})
    assert all(not client.list_artifacts(run_id, "images") for run_id in tracking.run_ids.values())

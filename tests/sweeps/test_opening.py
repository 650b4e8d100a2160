"""An MLflow server that fails at any call while a sweep opens: it is asked again, and no line holds its password."""

import os
from contextlib import contextmanager
from unittest.mock import patch

import pytest
from mlflow import MlflowClient

from specbias.settings import SettingError, config
from specbias.trials.record import Tag
from sweeps.cifar import STUDY as CIFAR
from sweeps.service.ask.options import Options
from sweeps.service.ask.plan import make_plan
from sweeps.service.keep import retry as retry_module
from sweeps.service.keep.opening import begin, open_sweep
from sweeps.service.keep.store import insist_on_opening
from sweeps.service.run.tuner import _recall
from tests.sweeps.mlflow_server import PASSWORD, FailingServer
from tests.sweeps.toy_sweep import STUDY

STEP = {"CI": 5, "full": 1}[os.environ.get("SPECBIAS_TEST_SIZE", "CI")]  # between the calls that fail first


@pytest.fixture
def server(tmp_path, empty_store, monkeypatch):
    monkeypatch.setattr(retry_module, "FIRST", 0.01)
    monkeypatch.setattr(retry_module, "UNNOTICED", 0)
    made = FailingServer(empty_store(tmp_path), tmp_path, monkeypatch)
    yield made
    made.stop()


@contextmanager
def open_it(uri, folder, *, experiment, patience):
    """Do to MLflow what a sweep does before its first trial."""
    options = Options(experiment=experiment)
    plan = make_plan(STUDY, options, gpus=0, cpus=1)
    with open_sweep(plan, uri=uri, storage_path=str(folder), patience=patience) as tracking:
        ledger, _ = insist_on_opening(lambda: _recall(plan, tracking, options, str(folder)), uri, patience=patience)
        insist_on_opening(lambda: begin(tracking, ledger.plan), uri, patience=patience)
        yield tracking


@pytest.mark.slow
def test_a_server_that_fails_at_any_call_holds_a_sweep_up_and_no_more(server, tmp_path, capsys):
    for first in range(1, 60, STEP):
        before = server.calls
        server.fails = lambda number, first=before + first: first <= number < first + 3
        with open_it(server.uri, tmp_path, experiment=f"e{first}", patience=60) as tracking:
            runs = MlflowClient(server.store).search_runs([tracking.experiment_id])
            assert [(run.info.run_id, run.info.status) for run in runs] == [(tracking.parent_id, "RUNNING")]
        said = capsys.readouterr()
        assert PASSWORD not in said.out + said.err and said.err == ""
        assert said.out.count("\n") <= 2
        if server.calls - before < first + 3:
            break
    assert 10 < first < 59


@pytest.mark.slow
def test_a_server_that_fails_on_is_refused_in_a_line_without_its_password(server, tmp_path, capsys):
    for first in range(1, 60, STEP):
        before = server.calls
        server.fails = lambda number, first=before + first: number >= first
        try:
            with open_it(server.uri, tmp_path, experiment=f"f{first}", patience=0.05):
                pass
        except SettingError as refusal:
            assert "\n" not in str(refusal) and "in trouble; http://me:***@127.0.0.1" in str(refusal)
            said = "".join([str(refusal), *capsys.readouterr()])
            assert PASSWORD not in said
        else:
            break
    assert 10 < first < 59


def test_what_waiting_does_not_mend_is_refused_at_once(tmp_path, empty_store):
    store = empty_store(tmp_path)
    plan = make_plan(STUDY, Options(experiment="gone"), gpus=0, cpus=1)
    client = MlflowClient(store)
    client.delete_experiment(client.create_experiment("gone"))
    with pytest.raises(SettingError, match="--experiment gone is in MLflow's trash"):
        open_sweep(plan, uri=store, storage_path=str(tmp_path), patience=1000).__enter__()
    (tmp_path / "text.db").write_text("no data base " * 1000)
    with pytest.raises(SettingError, match="--tracking-uri .*text.db: "):
        open_sweep(plan, uri=f"sqlite:///{tmp_path}/text.db", storage_path=str(tmp_path), patience=1000).__enter__()


def test_a_sweep_measured_by_an_older_version_is_refused_with_that_reason(tmp_path, empty_store):
    store = empty_store(tmp_path)
    with patch.object(config, "MEASURE_VERSION", 1):
        older = make_plan(CIFAR, Options(quick=True), gpus=0, cpus=1).sweep_id
    plan = make_plan(CIFAR, Options(quick=True), gpus=0, cpus=1)
    client = MlflowClient(store)
    client.create_run(client.create_experiment(plan.experiment), tags={Tag.SWEEP_ID: older})
    said = f"--resume {older}: its trials were measured by version 1 of the measure and can't go on with version 2"
    with (
        pytest.raises(SettingError, match=f"{said}: .* anew, as sweep {plan.sweep_id}"),
        open_sweep(plan, uri=store, storage_path=str(tmp_path), resume=older),
    ):
        pass

"""A driver that is killed before any of its calls to MLflow: the next one puts right what it left, and finds it."""

from types import SimpleNamespace

import numpy as np
import pytest
from mlflow import MlflowClient

from specbias.settings import SettingError
from sweeps.cifar import STUDY
from sweeps.service.ask.options import Options
from sweeps.service.ask.plan import make_plan
from sweeps.service.keep import experiment
from sweeps.service.keep import retry as retry_module
from sweeps.service.keep.journal import Journal
from sweeps.service.keep.opening import begin, open_sweep
from sweeps.service.run import mirror as mirror_module
from sweeps.service.run.ledger import Ledger
from sweeps.service.run.mirror import Mirror


class Mortal:
    """A client of MLflow that answers so many calls, and then none."""

    def __init__(self, client, calls):
        self.client, self.calls = client, calls

    def __getattr__(self, name):
        function = getattr(self.client, name)

        def call(*arguments, **named):
            if self.calls == 0:
                raise ConnectionAbortedError("killed")
            self.calls -= 1
            return function(*arguments, **named)

        return call


def drive(plan, uri, root, *, patience):
    """Do to MLflow what a sweep of one trial does; True if it came to its end."""
    try:
        with open_sweep(plan, uri=uri, storage_path=root) as tracking:
            ledger = Ledger(plan, dict.fromkeys(tracking.finished(plan), "reused"))
            begin(tracking, plan)
            mirror = Mirror(tracking, ledger, root, tags={})
            for config in ledger.waiting:
                journal = Journal(root, config.trial_id)
                token = journal.start({})
                for epoch in (0, 1):
                    found = SimpleNamespace(step=epoch, metrics={"a": epoch / 3}, arrays={"x": np.arange(2)})
                    journal.write(token, found, lambda folder: None)
                journal.end("complete")
                mirror.end(config, "finished")
            if mirror.close(patience):
                return False
            tracking.end_sweep(plan, {}, "finished")
            return True
    except (ConnectionAbortedError, SettingError):
        return False


def test_nothing_is_written_before_the_sweep_begins_so_that_a_refusal_leaves_it_as_it_was(tmp_path, empty_store):
    plan = make_plan(STUDY, Options(quick=True, interventions="none"), gpus=0)
    uri, client = empty_store(tmp_path), MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    for expected in ([], ["FINISHED"] * 2):
        with pytest.raises(SettingError, match="no teacher"), open_sweep(plan, uri=uri, storage_path=str(tmp_path)):
            raise SettingError("no teacher")
        runs = client.search_runs([client.get_experiment_by_name(plan.experiment).experiment_id])
        assert [run.info.status for run in runs] == expected
        assert drive(plan, uri, str(tmp_path / "trials"), patience=20)


@pytest.mark.slow
def test_a_driver_killed_before_any_call_leaves_what_the_next_puts_right(tmp_path, empty_store, monkeypatch):
    monkeypatch.setattr(mirror_module, "LOOK", 0.05)
    monkeypatch.setattr(retry_module, "LONGEST", 0.05)
    plan = make_plan(STUDY, Options(quick=True, interventions="none"), gpus=0)
    for calls in range(100):
        folder = tmp_path / str(calls)
        folder.mkdir()
        uri, root = empty_store(folder), str(folder / "trials")
        with monkeypatch.context() as patch:
            patch.setattr(experiment, "open_store", lambda uri, n=calls, **times: Mortal(MlflowClient(uri), n))
            unhurt = drive(plan, uri, root, patience=0.2)
        assert drive(plan, uri, root, patience=20)
        client = MlflowClient(uri)
        runs = client.search_runs([client.get_experiment_by_name(plan.experiment).experiment_id])
        assert [run.info.status for run in runs] == ["FINISHED"] * 2, calls
        assert [run.data.tags["specbias.outcome"] for run in runs] == ["finished"] * 2, calls
        (trial,) = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
        assert [metric.step for metric in client.get_metric_history(trial.info.run_id, "a")] == [0, 1], calls
        if unhurt:
            break
    assert 15 < calls < 99

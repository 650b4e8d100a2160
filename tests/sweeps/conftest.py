"""What tests of sweeps share: a journal, and a sweep whose MLflow can fail."""

import pytest

from sweeps.cifar import STUDY
from sweeps.service.ask.options import Options
from sweeps.service.ask.plan import make_plan
from sweeps.service.keep import retry as retry_module
from sweeps.service.keep.journal import Journal
from sweeps.service.keep.opening import begin, open_sweep
from sweeps.service.run import mirror as mirror_module
from sweeps.service.run.ledger import Ledger
from tests.sweeps.journals import measurement, saving


@pytest.fixture
def journal(tmp_path):
    """A journal with epochs 0, 1, 5 and 12000."""
    journal = Journal(str(tmp_path / "root"), "trial")
    token = journal.start({"host": "here"})
    for epoch in (0, 1, 5, 12000):
        journal.write(token, measurement(epoch), saving(epoch))
    return journal


class Flaky:
    """A client of MLflow that fails while `away`, and where `deaf` does what is asked for the first time, and fails."""

    def __init__(self, client):
        self.client, self.away, self.deaf, self.refused, self.asked = client, False, False, "", set()

    def __getattr__(self, name):
        function = getattr(self.client, name)

        def call(*arguments, **named):
            if self.away or (self.refused and self.refused in map(str, arguments)):
                raise ConnectionError("nobody answers")
            found = function(*arguments, **named)
            if self.deaf and (kind := (name, *sorted(named))) not in self.asked:
                self.asked.add(kind)
                raise ConnectionError("the answer was lost")
            return found

        return call


@pytest.fixture
def sweep(tmp_path, monkeypatch, empty_store):
    """A sweep of two trials in a store of its own, and its journals' root."""
    monkeypatch.setattr(mirror_module, "LOOK", 0.1)
    monkeypatch.setattr(retry_module, "LONGEST", 0.1)
    plan = make_plan(STUDY, Options(quick=True, interventions="mixup"), gpus=0)
    with open_sweep(plan, uri=empty_store(tmp_path), storage_path=str(tmp_path)) as tracking:
        begin(tracking, plan)
        tracking.client = Flaky(tracking.client)
        yield Ledger(plan, {}), tracking, str(tmp_path / "trials")

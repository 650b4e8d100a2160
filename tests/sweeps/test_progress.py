"""What is told while trials run: why one could not, which is meant, and what of those that Tune only queued."""

from types import SimpleNamespace

import pytest

from sweeps.cifar import STUDY
from sweeps.service.command_line import Options
from sweeps.service.ledger import Ledger
from sweeps.service.plan import make_plan
from sweeps.service.progress import WIDEST, Progress, reason_of

RAISED = """Failure # 1 (occurred at 2026-01-01)
\x1b[36mray::train()\x1b[39m (pid=1)
  File "registry.py", line 313, in get
           ^^^^^^^
ray.exceptions.RaySystemError: System error
AttributeError: Can't get attribute 'widths'
Failure # 2 (occurred at 2026-01-01)
"""
DIED = """Failure # 1 (occurred at 2026-01-01)
The actor died unexpectedly before finishing this task.
\tclass_name: ImplicitFunc
"""


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (RAISED, "AttributeError: Can't get attribute 'widths'"),
        (DIED, "The actor died unexpectedly before finishing this task."),
        ("", "Ray gives no reason"),
    ],
)
def test_the_reason_is_what_was_raised_or_the_first_that_ray_says(error, why):
    assert reason_of(error) == why


class Mirror:
    """Notes how trials ended."""

    def __init__(self, root):
        self.root, self.ends = str(root), {}

    def note(self, config, epoch):
        pass

    def end(self, config, outcome, **why):
        self.ends[config.trial_id] = outcome


@pytest.fixture
def made(tmp_path):
    options = Options(
        quick=True, grid=("learning_rate=0.05", "label_smoothing=0.1,0.2", "weight_decay=0.001,0.002,0.003")
    )
    ledger = Ledger(make_plan(STUDY, options, gpus=0, cpus=2), {})
    mirror = Mirror(tmp_path)
    quiet = SimpleNamespace(raise_again=lambda: None)
    return Progress(ledger, mirror, SimpleNamespace(stopped=set()), quiet, timed=True), ledger, mirror


def as_tune(config, **result):
    """A trial as Tune hands it over."""
    return SimpleNamespace(config={"trial_id": config.trial_id, "gpus_per_trial": 0.0}, last_result=result)


@pytest.mark.parametrize("by_tune", [True, False])
def test_of_trials_that_tune_queued_only_those_that_began_end(made, by_tune, monkeypatch):
    progress, ledger, mirror = made
    monkeypatch.setattr("sweeps.service.progress.LATE", 0)
    queued = [ledger.begin_next() for _ in range(4)]
    progress.on_trial_start(0, [], as_tune(queued[0]))
    if by_tune:  # a time budget: Tune stops what runs and what waits
        for config in queued:
            progress.on_trial_complete(0, [], as_tune(config))
    progress.close("interrupted")
    assert mirror.ends == {queued[0].trial_id: "interrupted"} and set(ledger.ends) == {queued[0].trial_id}


def test_rows_of_trials_with_long_labels_can_be_told_apart(made, capsys):
    progress, ledger, _ = made
    configs = [ledger.begin_next() for _ in range(6)]
    for config in configs:
        progress.on_trial_result(0, [], as_tune(config), {"epoch": 1, "time_left": ""})
    rows = [line[:WIDEST] for line in capsys.readouterr().out.splitlines()[1:]]
    assert len(rows) == len(set(rows)) == 6 and any(row.startswith("...") for row in rows)

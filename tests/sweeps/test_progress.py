"""What is told while trials run: why one could not, which is meant, and what of those that Tune only queued."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from sweeps.cifar import STUDY
from sweeps.service.ask.options import Options
from sweeps.service.ask.plan import make_plan
from sweeps.service.keep.journal import Journal
from sweeps.service.run.ledger import Ledger
from sweeps.service.run.progress import Progress, reason_of
from sweeps.service.run.trainable import TeacherDamaged, _last_state
from sweeps.service.screen import WIDEST

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
        self.root, self.ends, self.damaged, self.copied = str(root), {}, [], set()
        self.tracking = SimpleNamespace(check=lambda: None)  # the sweep is its own

    def note(self, config, epoch):
        pass

    def end(self, config, outcome, **why):
        self.ends[config.trial_id] = outcome

    def take_damaged(self):
        return [(self.damaged.pop(), "its last measurement is not whole")] if self.damaged else []

    def holds_all_of(self, trial_id):
        return trial_id in self.copied


@pytest.fixture
def made(tmp_path):
    return progress_of(tmp_path, "learning_rate=0.05", "label_smoothing=0.1,0.2", "weight_decay=0.001,0.002,0.003")


def progress_of(folder, *grid):
    ledger = Ledger(make_plan(STUDY, Options(quick=True, grid=grid), gpus=0, cpus=2), {})
    mirror = Mirror(folder)
    quiet = SimpleNamespace(raise_again=lambda: None)
    return Progress(ledger, mirror, SimpleNamespace(stopped=set()), quiet, timed=True, max_failures=2), ledger, mirror


def as_tune(config, **result):
    """A trial as Tune hands it over."""
    return SimpleNamespace(config={"trial_id": config.trial_id, "gpus_per_trial": 0.0}, last_result=result)


@pytest.mark.parametrize("by_tune", [True, False])
def test_of_trials_that_tune_queued_only_those_that_began_end(made, by_tune, monkeypatch):
    progress, ledger, mirror = made
    monkeypatch.setattr("sweeps.service.run.progress.LATE", 0)
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


def ended(folder, config, outcome="complete", *, whole=True, failure=""):
    """Write the journal of a trial that came to its last epoch and ended so."""
    journal = Journal(str(folder), config.trial_id)
    found = SimpleNamespace(step=config.epochs, metrics={"a": 1.0}, arrays={})
    journal.write(journal.start({}), found, lambda folder: (Path(folder) / "weights").write_text("here"))
    journal.end(outcome, failure=failure)
    if not whole:
        (folder / config.trial_id / f"epoch_{config.epochs:04d}" / "record.json").write_bytes(b"torn")


def complete(progress, config):
    progress.on_trial_start(0, [], as_tune(config))
    progress.on_trial_complete(0, [], as_tune(config, epoch=config.epochs))


def test_a_complete_trial_whose_journal_is_damaged_goes_on_first_and_fails_when_it_always_is(
    made, tmp_path, monkeypatch, capsys
):
    progress, ledger, mirror = made
    monkeypatch.setattr("sweeps.service.run.progress.LATE", 0)
    first, second = ledger.begin_next(), ledger.begin_next()
    ended(tmp_path, second)
    complete(progress, second)
    assert mirror.ends == {second.trial_id: "finished"}
    for times in range(3):
        ended(tmp_path, first, whole=times == 1)  # or found out by the mirror, later
        mirror.damaged = [first] if times == 1 else []
        complete(progress, first)
        progress.on_step_begin(0, [])
        if times < 2:
            assert ledger.waiting[0] is first and not ledger.has_finished(first.trial_id)
            assert Journal(str(tmp_path), first.trial_id).ending is None
            assert ledger.begin_next() is first
    assert mirror.ends[first.trial_id] == "failed" and not ledger.over
    said = capsys.readouterr().out
    assert said.count("its journal is damaged (its last measurement is not whole); it goes on from its last") == 2
    assert "failed: its journal was damaged 3 times (its last measurement is not whole): look at the storage" in said


def test_of_trials_that_an_earlier_call_completed_those_that_are_damaged_go_on(made, tmp_path):
    progress, ledger, mirror = made
    *_, whole, damaged = ledger.waiting
    ended(tmp_path, whole)
    ended(tmp_path, damaged, whole=False)
    progress.take_over()
    assert mirror.ends == {whole.trial_id: "finished"} and ledger.waiting[0] is damaged
    progress.close("interrupted")  # its run is open, though it has not begun here
    assert mirror.ends == {whole.trial_id: "finished", damaged.trial_id: "interrupted"}


@pytest.mark.parametrize("copied", [True, False])
def test_a_student_whose_teacher_is_damaged_begins_again_when_that_is_brought_or_has_gone_on(
    tmp_path, monkeypatch, copied
):
    progress, ledger, mirror = progress_of(tmp_path, "generation=1")
    teacher = ledger.begin_next()
    ended(tmp_path, teacher)
    complete(progress, teacher)
    brought = []
    monkeypatch.setattr("sweeps.service.run.progress.bring_teacher", lambda *asked: brought.append(asked[1]))
    mirror.copied = {teacher.trial_id} if copied else set()
    for _ in range(2):
        student = ledger.begin_next()
        assert student.generation == 1
        ended(tmp_path, student, "teacher damaged", failure="state/weights is gone")
        complete(progress, student)
        assert student in ledger.waiting and student.trial_id not in ledger.ends
        if not copied:
            assert ledger.begin_next() is teacher
            ended(tmp_path, teacher)
            complete(progress, teacher)
    assert brought == [teacher.trial_id] * 2 * copied
    ledger.begin_next()
    complete(progress, student)
    assert mirror.ends[student.trial_id] == "failed"
    assert "its teacher's last state is damaged" in ledger.ends[student.trial_id]["failure"]


def test_a_student_never_gets_an_older_state_of_its_teacher(made, tmp_path):
    _, ledger, _ = made
    teacher = ledger.begin_next()
    journal = Journal(str(tmp_path), teacher.trial_id)
    token = journal.start({})
    for epoch in (1, 2, 3):
        found = SimpleNamespace(step=epoch, metrics={}, arrays={})
        journal.write(token, found, lambda folder, e=epoch: (Path(folder) / "weights").write_text(f"after {e}"))
    journal.end("complete", token=token)
    assert (Path(_last_state(journal, 20, str(tmp_path / "copy"))) / "weights").read_text() == "after 3"
    (Path(journal.folder) / "epoch_0003" / "state" / "weights").write_text("after 4")
    with pytest.raises(TeacherDamaged, match="epoch_0003/state/weights is not what was written"):
        _last_state(journal, 20, str(tmp_path / "copy"))

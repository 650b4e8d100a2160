"""Laws of the ledger, on a plan of real configs: who may begin, who never does, and that each ends once."""

import pytest

from sweeps.cifar import STUDY
from sweeps.service.ask.options import Options
from sweeps.service.ask.plan import make_plan
from sweeps.service.run.ledger import Ledger


@pytest.fixture
def plan():
    """Two first generations and the two that they teach."""
    return make_plan(STUDY, Options(quick=True, grid=("cutout=0,4", "generation=1")), gpus=0)


def begun(ledger):
    """Begin all that may begin now; what each is: (cutout, generation)."""
    found = []
    while (config := ledger.begin_next()) is not None:
        found.append((config.cutout, config.generation))
    return found


def test_a_student_begins_when_its_own_teacher_has_finished_and_not_before(plan):
    ledger = Ledger(plan, {})
    assert begun(ledger) == [(0, 0), (4, 0)] and not ledger.over
    ledger.end(next(c for c in plan.trials if (c.cutout, c.generation) == (4, 0)), "finished")
    assert begun(ledger) == [(4, 1)]
    ledger.end(next(c for c in plan.trials if (c.cutout, c.generation) == (0, 0)), "finished")
    assert begun(ledger) == [(0, 1)] and ledger.over


def test_a_student_of_a_trial_that_did_not_finish_is_not_started_and_one_of_a_reused_trial_is(plan):
    teachers = {config.cutout: config for config in plan.trials if config.generation == 0}
    students = [config for config in plan.trials if config.generation]
    ledger = Ledger(plan, {teachers[0].trial_id: "reused"})
    assert sorted(begun(ledger)) == [(0, 1), (4, 0)]
    ledger.end(teachers[4], "failed", "Diverged")
    assert begun(ledger) == [] and ledger.over
    student = next(config for config in students if config.cutout == 4)
    assert ledger.ends[student.trial_id]["outcome"] == "not started"
    assert "its teacher (cutout=4) did not finish" in ledger.ends[student.trial_id]["failure"]


def test_no_more_run_at_once_and_no_more_are_begun_than_asked(plan):
    ledger = Ledger(plan, {}, at_once=1, at_most=2)
    first, *_ = plan.trials
    assert len(begun(ledger)) == 1 and not ledger.over
    ledger.end(first, "finished")
    assert len(begun(ledger)) == 1 and ledger.over


def test_a_trial_that_is_to_run_again_comes_first_with_what_it_is_to_get(plan):
    ledger = Ledger(plan, {})
    first, *_ = plan.trials
    begun(ledger)
    ledger.again(first, gpus=0.5)
    assert ledger.begin_next() is first and ledger.gpus == {first.trial_id: 0.5}


def test_a_finished_trial_that_is_to_go_on_has_not_finished_and_its_student_waits(plan):
    teacher = next(config for config in plan.trials if (config.cutout, config.generation) == (0, 0))
    ledger = Ledger(plan, {teacher.trial_id: "finished"})
    ledger.again(teacher)
    assert not ledger.has_finished(teacher.trial_id) and ledger.gpus == {}
    assert begun(ledger) == [(0, 0), (4, 0)]


def test_a_trial_that_runs_again_is_not_counted_twice(plan):
    ledger = Ledger(plan, {}, at_most=1)
    config = ledger.begin_next()
    ledger.again(config, gpus=1.0)
    assert not ledger.over and ledger.begin_next() is config and ledger.over

"""Students bring their teachers: what is planned, in which order, and what becomes of it in real sweeps."""

import itertools

import pytest

from sweeps.cifar import STUDY
from sweeps.service.ask.options import Options
from sweeps.service.ask.plan import make_plan


def plan(**options):
    return make_plan(STUDY, Options(quick=True, **options), gpus=0.0, cpus=2)


def test_students_bring_their_teachers_which_come_in_an_earlier_wave():
    found = plan(grid=("generation=2", "cutout=0,4"), seeds=2)
    assert len(found.trials) == 12
    waves = found.waves(found.trials)
    assert [[c.generation for c in wave] for wave in waves] == [[0] * 4, [1] * 4, [2] * 4]
    for teachers, students in itertools.pairwise(waves):
        assert [c.teacher_id for c in students] == [c.trial_id for c in teachers]
    assert [found.label(c) for c in found.trials[:3]] == [
        "baseline seed=0",
        "generation=1 seed=0",
        "generation=2 seed=0",
    ]
    assert found.waves(waves[2]) == [waves[2]]  # what is finished is not waited for
    each = [sum(STUDY.kind.seconds(c) for c in wave) / 2 for wave in waves]
    assert found.seconds(found.trials) == pytest.approx(sum(each))


def test_a_student_is_called_by_its_generation_also_as_the_baseline():
    found = plan(set=("generation=2",), interventions="none")
    assert [found.label(c) for c in found.trials] == ["generation=0", "generation=1", "generation=2"]


def test_a_teacher_that_is_a_trial_anyway_is_one_trial():
    found = plan(grid=("generation=0,1,2", "distillation=0.5,1"))
    assert [(c.generation, c.distillation) for c in found.trials] == [(0, 1), (1, 0.5), (1, 1), (2, 0.5), (2, 1)]

"""Which sbatch line does a plan get? One that the partition allows, and that the plan can use."""

import os
from dataclasses import replace

import pytest

from specbias.settings import SettingError
from sweeps.cifar import STUDY
from sweeps.service.ask.options import Options
from sweeps.service.ask.plan import make_plan
from sweeps.service.machines import slurm

OFFER = slurm.Partition("gpu", nodes=8, cpus=64, gpus=4, seconds=7200.0)


def plan(offer=OFFER, *, seconds=None, **options):
    found = make_plan(STUDY, Options(preset="gpu", **options), **offer.all)
    if seconds is not None:
        kind = replace(found.study.kind, seconds=lambda config: seconds)
        found = replace(found, study=replace(found.study, kind=kind))
    return found


@pytest.fixture
def sinfo(tmp_path, monkeypatch):
    """Return a function that makes a Slurm which says these lines."""

    def make(text):
        (tmp_path / "said").write_text(text)
        for name in ("sbatch", "sinfo"):
            (tmp_path / name).write_text(f"#!/bin/sh\ncat {tmp_path}/said\n")
            (tmp_path / name).chmod(0o755)

    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for name in ("SLURM_JOB_ID", "SBATCH_PARTITION"):
        monkeypatch.delenv(name, raising=False)
    return make


def test_the_partition_is_the_default_one_or_that_of_the_environment_by_its_most_frequent_nodes(sinfo, monkeypatch):
    sinfo("cpu*|3|64|(null)|infinite\ncpu*|9|32+|(null)|infinite\ngpu|2|48|gpu:a100:4(S:0-1)|2-12:30:00\n")
    assert slurm.partition() == ("cpu", 9, 32, 0, float("inf"))
    monkeypatch.setenv("SBATCH_PARTITION", "gpu")
    assert slurm.partition() == ("gpu", 2, 48, 4, 2 * 86_400 + 12.5 * 3600)
    monkeypatch.setenv("SBATCH_PARTITION", "other")
    assert slurm.partition() is None


def test_nodes_of_one_kind_in_two_states_are_counted_together(sinfo):
    sinfo("all*|2|8|gpu:2,mps:200|30:00\nall*|3|8|gpu:2,mps:200|30:00\n")
    assert slurm.partition() == ("all", 5, 8, 2, 1800.0)


def test_in_a_job_and_where_slurm_does_not_answer_there_is_no_partition(sinfo, monkeypatch, tmp_path):
    sinfo("all*|2|8|(null)|30:00\n")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    assert slurm.partition() is None
    monkeypatch.delenv("SLURM_JOB_ID")
    (tmp_path / "sinfo").write_text("#!/bin/sh\nexit 1\n")
    assert slurm.partition() is None


def words(found, offer=OFFER):
    return [
        " ".join(line) for line in slurm.commands(found, offer, ["sweeps/cifar.py", "--preset", "gpu", "--dry-run"])
    ]


def test_a_short_plan_gets_one_node_and_no_more_of_it_than_its_trials_can_use():
    script = os.path.relpath(slurm.SCRIPT)
    (line,) = words(plan(seconds=60.0))
    assert line == (
        f"sbatch --nodes 1 --cpus-per-task 4 --gpus-per-node 4 --time 0:30:00 {script} sweeps/cifar.py --preset gpu"
    )
    (line,) = words(plan(seconds=60.0, interventions="none", cpus_per_trial=6))
    assert "--nodes 1 --cpus-per-task 6 --gpus-per-node 1 --time 0:30:00" in line


def test_a_longer_one_gets_the_fewest_nodes_that_end_in_time_by_twice_the_guess_and_an_array_as_wide():
    found = plan(seconds=600.0)
    rounds = len(found.trials) / 4
    line, array = words(found)
    nodes = int(line.split()[2])
    assert 2 * 600 * rounds / nodes <= OFFER.seconds < 2 * 600 * rounds / (nodes - 1)
    assert f"sbatch --array 1-{nodes} --cpus-per-task 4" in array
    assert array.endswith(f"--records records.csv --block %a/{nodes} --tracking-uri sqlite:///mlflow-%a.db")


def test_a_plan_too_long_for_the_partition_gets_all_its_time_and_requeues():
    line, _ = words(plan(seconds=86_400.0))
    assert "--nodes 8" in line and "--time 2:00:00" in line


def test_blocks_part_the_trials_and_keep_students_with_their_teachers():
    options = {"set": ("generation=2",), "interventions": "mixup,cutout", "seeds": 2}
    whole = make_plan(STUDY, Options(quick=True, **options), gpus=0)
    parts = [make_plan(STUDY, Options(quick=True, block=f"{k}/3", **options), gpus=0) for k in (1, 2, 3)]
    assert whole.teacher_ids
    assert sorted(i for part in parts for i in part.by_id) == sorted(whole.by_id)
    for part in parts:
        assert set(part.teacher_ids.values()) <= part.by_id.keys()
    sizes = [len(part.trials) for part in parts]
    assert max(sizes) - min(sizes) <= 3
    assert len({part.sweep_id for part in parts}) == 3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"block": "4/3"}, "--block 4/3: expected K/N"),
        ({"block": "%a/3"}, "--block %a/3: expected K/N"),
        ({"block": "3/9", "interventions": "mixup"}, "--block 3/9: there are no more than 2 parts"),
        ({"block": "1/2", "search": "optuna"}, "--block 1/2: a search chooses its trials as it goes"),
    ],
)
def test_a_part_that_cannot_be_is_refused(options, said):
    with pytest.raises(SettingError, match=said):
        make_plan(STUDY, Options(quick=True, **options), gpus=0)

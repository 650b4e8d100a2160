"""Networks, and their classes in shards: what is planned, and what becomes of it where a worker is killed."""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import ray

from analysis.tables.records_file import read_records
from specbias.settings import SettingError
from sweeps.imagenet import STUDY
from sweeps.service.ask.options import Options
from sweeps.service.ask.plan import make_plan
from sweeps.service.run.tuner import run_sweep

ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import a test


def plan(gpus=0.0, **options):
    return make_plan(STUDY, Options(**{"quick": True} | options), gpus=gpus, cpus=2)


def test_every_network_is_trained_once_then_measured_in_shards_and_the_images_once_for_all():
    found = plan()
    parts = {part: [c for c in found.trials if c.part == part] for part in ("training", "frequency", "diversity")}
    assert {part: len(trials) for part, trials in parts.items()} == {"training": 3, "frequency": 6, "diversity": 2}
    for config in parts["frequency"]:
        trained = found.by_id[found.teacher_ids[config.trial_id]]
        assert (trained.part, trained.width, trained.cutout) == ("training", config.width, config.cutout)
    assert not {c.trial_id for c in parts["diversity"]} & found.teacher_ids.keys()
    labels = [found.label(config) for config in found.trials]
    assert labels[:5] == ["training", "frequency 1/2", "frequency 2/2", "diversity 1/2", "diversity 2/2"]
    assert len(set(labels)) == len(labels)


def test_more_shards_or_networks_train_and_see_no_image_again():
    few, more = plan(), plan(set=("shards=5",), grid=(), interventions="width")
    trained = {c.trial_id for c in few.trials if c.part == "training"}
    assert {c.trial_id for c in more.trials if c.part == "training"} < trained
    assert [c.shard for c in more.trials if c.part == "diversity"] == [1, 2, 3, 4, 5]


def test_published_networks_are_trained_by_nobody(tmp_path, monkeypatch):
    for label in range(1000):
        folder = tmp_path / "imagenet" / "val" / f"n{label:08d}"
        folder.mkdir(parents=True)
        for image in range(2):
            (folder / f"{image}.JPEG").touch()
    monkeypatch.setenv("SPECBIAS_DATA_DIR", str(tmp_path))
    found = plan(quick=False, preset="published")
    assert not found.teacher_ids and len(found.trials) == 7 * 20
    assert {(c.part, c.class_splits) for c in found.trials} == {("frequency", "test")}  # no train/: no diversity
    with pytest.raises(SettingError, match="part=diversity: it is seen in training images.*put train/ beside val/"):
        plan(quick=False, preset="published", grid=("part=diversity",))


def run_and_die_once(config, checkpoint):
    """The study's own trial, killed when it comes to class 3 for the first time; it notes what it measures."""
    noted = Path(os.environ["SPECBIAS_DATA_DIR"]) / "noted"
    for state, measurement in STUDY.kind.run(config, checkpoint):
        if config.part == "frequency":
            with noted.open("a") as file:
                file.write(f"{measurement.step}\n")
            if measurement.step == 3 and noted.read_text().split().count("3") == 1:
                os.kill(os.getpid(), signal.SIGKILL)
        yield state, measurement


@pytest.mark.slow
def test_a_killed_worker_loses_one_class_at_most(ray_with_two_gpus, tmp_path, empty_store, monkeypatch, capsys):
    monkeypatch.setenv("SPECBIAS_DATA_DIR", str(tmp_path))
    study = replace(STUDY, kind=replace(STUDY.kind, run=run_and_die_once))
    small = ("dataset=digits", "width=4", "epochs=1", "class_pairs=2", "class_samples=8", "device=cpu")
    options = Options(
        quick=True,
        interventions="none",
        set=small,
        data_dir=str(tmp_path),
        storage_path=str(tmp_path / "ray"),
        tracking_uri=empty_store(tmp_path),
        records=str(tmp_path / "records.csv"),
    )
    assert run_sweep(study, options) == 0
    assert "records.csv --study imagenet" in capsys.readouterr().out  # the file may come to hold other studies too
    noted = sorted((tmp_path / "noted").read_text().split())
    assert noted == sorted([*map(str, range(10)), "3"])  # nothing but the class that it died in is measured again
    table = read_records(tmp_path / "records.csv").table
    for part in ("frequency", "diversity"):
        rows = table[table["part"] == part]
        assert sorted(rows["epoch"]) == list(range(10)) and rows["trial_id"].nunique() == 2
    measured = table[table["part"] == "frequency"]
    assert measured["frequency/within_class"].notna().all() and measured["generalization/class_accuracy"].notna().all()

"""A list of networks becomes one experiment: rows, columns, identities, and what is refused."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from analysis.tables.records import load_records
from specbias.models import build_model
from specbias.settings import SettingError
from sweeps.checkpoints import STUDY, ListedNetwork, ListOptions
from sweeps.service.ask.plan import make_plan
from sweeps.service.run.tuner import run_sweep

HEADER = "model,checkpoint,model_args,width,recipe,input_mean,input_std\n"


@pytest.fixture
def listed(tmp_path):
    """Three networks in a folder, and the list of them."""
    lines, means = [], ('"0.5,0.5,0.5"', '"0.4,0.4,0.4"', "")
    for number, width in enumerate((4, 4, 8)):
        torch.manual_seed(number)
        model = build_model("small_cnn", num_classes=10, image_size=32, width=width)
        torch.save(model.state_dict(), tmp_path / f"{number}.pt")
        recipe, same = "plain" if number else "mixup", means[number]
        lines.append(f'small_cnn,{number}.pt,"{{""width"": {width}}}",{width},{recipe},{same},{same}\n')
    (tmp_path / "networks.csv").write_text(HEADER + "".join(lines))
    return tmp_path / "networks.csv"


def options(file, folder, **more):
    defaults = {"models": str(file), "set": ("dataset=digits", "pairs=1", "device=cpu"), "experiment": "nets"}
    defaults |= {"storage_path": str(folder / "ray"), "tracking_uri": f"sqlite:///{folder}/mlflow.db"}
    return ListOptions(**defaults | {"gpus_per_trial": "0"} | more)


def plan(file, folder, **more):
    return make_plan(STUDY, options(file, folder, **more), gpus=0, cpus=2)


def test_every_row_is_a_trial_with_its_settings_and_a_readable_label(listed, tmp_path):
    trials = plan(listed, tmp_path).trials
    assert [config.model_args for config in trials] == ['{"width": 4}'] * 2 + ['{"width": 8}']
    assert trials[2].to_dict()["width"] == 8 and trials[0].to_dict()["recipe"] == "mixup"
    assert all(ListedNetwork.from_dict(config.to_dict()) == config for config in trials)
    label = plan(listed, tmp_path).label(trials[0])
    means = "input_mean=(0.5, 0.5, 0.5) input_std=(0.5, 0.5, 0.5)"
    assert label == f'model=small_cnn checkpoint=0.pt model_args={{"width": 4}} {means} width=4 recipe=mixup'


@pytest.mark.slow
def test_a_row_is_read_in_a_process_that_has_not_imported_the_script():
    """As a trial's does, which gets the class of a script by value: names in its annotations are not there."""
    script = "sys.stdout.buffer.write(dumps(runpy.run_path('sweeps/checkpoints.py')['ListedNetwork']))"
    make = ["-c", f"import runpy, sys; from ray.cloudpickle import dumps; {script}"]
    read = ["-c", "import pickle, sys; print(pickle.load(sys.stdin.buffer).from_dict({'depth': 3}).described)"]
    how = {"cwd": Path(__file__).parents[2], "capture_output": True, "check": True}
    pickled = subprocess.run([sys.executable, *make], **how).stdout
    assert subprocess.run([sys.executable, *read], input=pickled, **how).stdout == b'{"depth": 3}\n'


def test_the_same_files_in_another_folder_are_the_same_trials(listed, tmp_path):
    before = plan(listed, tmp_path)
    moved = shutil.copytree(tmp_path, tmp_path / "moved", ignore=shutil.ignore_patterns("moved"))
    after = plan(moved / "networks.csv", tmp_path)
    assert [config.trial_id for config in after.trials] == [config.trial_id for config in before.trials]
    assert all(config.checkpoint.startswith(str(moved)) for config in after.trials)


def test_other_weights_in_the_same_file_are_another_trial(listed, tmp_path):
    before = plan(listed, tmp_path).trials
    torch.save(torch.load(tmp_path / "1.pt"), tmp_path / "0.pt")
    after = plan(listed, tmp_path).trials
    assert [a.trial_id == b.trial_id for a, b in zip(after, before, strict=True)] == [False, True, True]


def test_other_images_labels_or_class_maps_in_the_same_files_are_another_trial(listed, tmp_path):
    pixels = np.random.default_rng(0).integers(256, size=(40, 32, 32, 3), dtype=np.uint8)
    np.save(tmp_path / "noise.npy", pixels)
    np.save(tmp_path / "labels.npy", np.arange(40) % 10)
    (tmp_path / "map.json").write_text('{"0": 1, "1": 0}')
    chosen = (f"dataset=npy:{tmp_path / 'noise.npy'}", "pairs=1", "device=cpu", f"class_map={tmp_path / 'map.json'}")
    found = {plan(listed, tmp_path, set=chosen).trials[0].trial_id for _ in range(2)}
    for file, other in (("noise.npy", pixels[::-1]), ("labels.npy", np.arange(40) % 5)):
        np.save(tmp_path / file, other)
        found.add(plan(listed, tmp_path, set=chosen).trials[0].trial_id)
    (tmp_path / "map.json").write_text('{"0": 1, "1": 2}')
    assert len(found | {plan(listed, tmp_path, set=chosen).trials[0].trial_id}) == 4


def test_other_images_in_the_same_folder_are_another_trial(listed, tmp_path):
    def trial():
        return plan(listed, tmp_path, set=(f"dataset=imagefolder:{tmp_path / 'images'}",)).trials[0].trial_id

    for name in ("cat/0.png", "dog/0.png"):
        (tmp_path / "images" / name).parent.mkdir(parents=True)
        Image.new("RGB", (32, 32)).save(tmp_path / "images" / name)
    found = [trial(), trial()]
    Image.effect_noise((32, 32), 50).convert("RGB").save(tmp_path / "images" / "dog" / "0.png")
    found.append(trial())
    (tmp_path / "images" / "dog" / "0.png").rename(tmp_path / "images" / "dog" / "1.png")
    assert found[0] == found[1] and len({*found, trial()}) == 3


def test_another_program_in_the_same_file_is_another_trial(listed, tmp_path):
    listed.write_text(f"model,checkpoint\n{tmp_path / 'net.ts'},\n")
    found = set()
    for seed in (0, 1):
        torch.manual_seed(seed)
        torch.jit.script(torch.nn.Linear(3, 10)).save(tmp_path / "net.ts")
        found.add(plan(listed, tmp_path).trials[0].trial_id)
    assert len(found) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "name the list of networks"),
        ("model,weights\nsmall_cnn,0.pt\n", "expected rows under the columns model and checkpoint"),
        (HEADER, "expected rows under the columns"),
        (HEADER + "small_cnn,0.pt\n", "line 2: not as many values as columns"),
        (HEADER + "small_cnn,0.pt,,,,,,,\n", "line 2: not as many values as columns"),
        (HEADER + "small_cnn,7.pt,,,,,\n", "7.pt: No such file"),
        (HEADER + "small_cnn,0.pt,,,,wide,\n", "line 2: input_mean=wide: not 3 numbers or none"),
    ],
)
def test_a_list_that_cannot_be_is_said(listed, tmp_path, text, said):
    if text is not None:
        listed.write_text(text)
    with pytest.raises(SettingError, match=said):
        plan(listed if text is not None else None, tmp_path, **({} if text is not None else {"models": None}))


@pytest.mark.slow
def test_the_list_lands_in_one_experiment_with_its_columns(listed, tmp_path, ray_with_two_gpus):
    assert run_sweep(STUDY, options(listed, tmp_path)) == 0
    records = load_records("nets", tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
    table = records.table.sort_values("checkpoint", ignore_index=True)
    assert table["width"].tolist() == [4, 4, 8] and table["recipe"].tolist() == ["mixup", "plain", "plain"]
    assert table["frequency/between_class"].between(0, 1).all()
    assert table["generalization/test_accuracy"].between(0, 1).all()

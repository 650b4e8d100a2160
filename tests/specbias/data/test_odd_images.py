"""Whatever images and labels are given to `measure`, it ends in the right accuracy, or in one line and status 2.

The toy: row number `label` of an image of 8 x 8 is bright, and the network's outputs are the brightnesses of the rows;
its accuracy is 1 if images, labels and outputs are read as they are meant, and about an eighth if not.
"""

import sys

import pytest
import torch

from specbias.__main__ import main
from specbias.settings import SettingError
from specbias.settings.measurement import NetworkConfig
from specbias.trials.network import measure_network
from tests.specbias.data.odd_images import REFUSED, RIGHT

pytestmark = pytest.mark.usefixtures("undrawn")

NETWORK = """
import torch

class Rows(torch.nn.Module):
    def __init__(self, outputs, places):
        super().__init__()
        self.outputs, self.places = outputs, places
        self.unused = torch.nn.Linear(1, 1)

    def forward(self, images):
        logits = images.new_full((len(images), self.outputs), -100.0)
        logits[:, self.places] = 9 * images.mean(dim=(1, 3))[:, : len(self.places)]
        return logits

def make(outputs=8, places=None):
    return Rows(outputs, places or list(range(8)))
"""


@pytest.fixture(autouse=True)
def rows(tmp_path, monkeypatch):
    before = torch.get_num_threads()
    (tmp_path / "rows.py").write_text(NETWORK)
    monkeypatch.chdir(tmp_path)
    yield
    torch.set_num_threads(before)


FIXED = {"pairs": 1, "path_samples": 8, "band": 0.15, "threads": 1, "input_mean": (0.0,) * 3, "input_std": (1.0,) * 3}


def settings_of(flags):
    names = [flag.removeprefix("--").replace("-", "_") for flag in flags[::2]]
    return {name: NetworkConfig.parse(name, text) for name, text in zip(names, flags[1::2], strict=True)}


def measure(build, place):
    """Measure as the command does, without its parsing of flags, which takes longer than all else."""
    dataset, *flags = build(place)
    model = NetworkConfig.parse("model", "rows.py:make")
    return measure_network(NetworkConfig(model=model, dataset=dataset, **FIXED, **settings_of(flags)))[0]


@pytest.mark.parametrize("name", RIGHT)
def test_odd_images_and_labels_are_measured_as_they_are_meant(tmp_path, name):
    record = measure(RIGHT[name], tmp_path)
    assert record["accuracy"] == 1.0
    assert record["within_class"]["n_paths"] in (8, 3)


@pytest.mark.parametrize("name", REFUSED)
def test_or_refused_in_one_line(tmp_path, name):
    build, said = REFUSED[name]
    with pytest.raises(SettingError) as error:
        measure(build, tmp_path)
    assert said in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("status", [0, 2])
def test_the_command_prints_the_accuracy_or_that_line_with_status_2(tmp_path, monkeypatch, capsys, status):
    dataset, *flags = (REFUSED["floats"][0] if status else RIGHT["numbers of 1000"])(tmp_path)
    zeros, ones = ("0", "0", "0"), ("1", "1", "1")
    fixed = ["--model", "rows.py:make", "--pairs", "1", "--input-mean", *zeros, "--input-std", *ones]
    monkeypatch.setattr(
        sys,
        "argv",
        ["specbias", "measure", *fixed, "--path-samples", "8", "--band", "0.15", "--dataset", dataset, *flags],
    )
    if not status:
        main()
        assert "accuracy 1.0000" in capsys.readouterr().out
        return
    with pytest.raises(SystemExit) as end:
        main()
    lines = [line for line in capsys.readouterr().err.splitlines() if "no --checkpoint" not in line]
    assert end.value.code == status and len(lines) == 1
    assert lines[0].startswith("error: imagefolder ") and "a/0.tif: grey in floats" in lines[0]

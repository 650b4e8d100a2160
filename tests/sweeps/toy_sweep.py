"""A sweep of trials that count, as a command: for tests of what befalls a driver.

An epoch takes TOY_SECONDS of the environment, or a tenth of a second.
"""

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from specbias.settings import Settings
from sweeps.service.study import Kind, Preset, Study


@dataclass(frozen=True)
class ToyConfig(Settings):
    epochs: int = 3
    number: int = 0
    seed: int = 0
    device: str = "cpu"


class ToyState:
    def __init__(self, epoch):
        self.epoch = epoch

    def save(self, folder):
        (Path(folder) / "state.json").write_text(json.dumps(self.epoch))


def run(config, checkpoint):
    first = json.loads((Path(checkpoint) / "state.json").read_text()) + 1 if checkpoint else 1
    for epoch in range(first, config.epochs + 1):
        time.sleep(float(os.environ.get("TOY_SECONDS", "0.1")))
        metrics = {"value": config.number + epoch / 10}
        yield ToyState(epoch), SimpleNamespace(step=epoch, metrics=metrics, arrays={"x": np.arange(epoch)})


KIND = Kind(
    config_class=ToyConfig,
    run=run,
    analyses=lambda configs: (),
    seconds=lambda config: 1.0,
    calibrate=lambda config: ({}, 0.0),
    execution=lambda device, threads: {"device": "cpu"},
)
STUDY = Study(
    name="toy",
    question="None.",
    kind=KIND,
    presets={"quick": Preset({})},
    choose_preset=lambda gpus: "quick",
    columns={"value": "value"},
)

if __name__ == "__main__":
    from sweeps.service.command_line import main

    main(STUDY)

"""The trials of every preset keep their identities: who has results under them goes on with these.

identities.txt has a line for each: study, preset, number of trials, and identity of the sweep, a hash of theirs, under
the first version of the measure and as it is now. Where no paths are measured the two are one. Whoever changes
identities on purpose makes it anew (`python tests/sweeps/test_identities.py`) and says what changed.
"""

from pathlib import Path
from unittest.mock import patch

import pytest

from specbias.settings import config
from sweeps.__main__ import studies
from sweeps.service.ask.options import Options
from sweeps.service.ask.plan import make_plan

TABLE = Path(__file__).with_name("identities.txt")
OF_FILES = {"checkpoints", "class_paths", "imagenet"}  # nothing is planned without them


def _plan(study, preset, **more):
    return make_plan(study, Options(preset=preset, **more), gpus=1, cpus=2)


def studies_named(name):
    return next(study for study in studies().values() if study.name == name)


def rows(version):
    """Study, preset, number of trials and identity of every sweep under a version of the measure."""
    every = sorted(studies().values(), key=lambda study: study.name)
    with patch.object(config, "MEASURE_VERSION", version):
        for study in [study for study in every if study.name not in OF_FILES]:
            for preset in study.presets:
                plan = _plan(study, preset)
                yield f"{study.name} {preset} {len(plan.trials)} {plan.sweep_id}"


@pytest.mark.parametrize("column", [0, 1])
def test_every_preset_has_the_trials_that_it_had(column):
    """Also those under the first version, by which what was measured then is known."""
    table = [line.split() for line in TABLE.read_text().splitlines()]
    there = [" ".join([*row[:3], row[3 + column]]) for row in table]
    assert list(rows((1, config.MEASURE_VERSION)[column])) == there


def test_every_sweep_knows_its_identity_under_the_first_version():
    """By which --resume says why it cannot go on; of teachers and students too."""
    table = {tuple(row[:2]): row[3] for row in map(str.split, TABLE.read_text().splitlines())}
    every = [study for study in studies().values() if study.name not in OF_FILES]
    plans = {(study.name, preset): _plan(study, preset) for study in every for preset in study.presets}
    assert {place: plan.measured_by(1) for place, plan in plans.items()} == table
    student = _plan(studies_named("cifar"), "quick", grid=("generation=0,1,2",))
    with patch.object(config, "MEASURE_VERSION", 1):
        older = _plan(studies_named("cifar"), "quick", grid=("generation=0,1,2",))
    assert student.measured_by(1) == older.sweep_id != student.sweep_id


if __name__ == "__main__":
    pairs = zip([*rows(1)], [*rows(config.MEASURE_VERSION)], strict=True)
    TABLE.write_text("".join(f"{first} {now.split()[-1]}\n" for first, now in pairs))

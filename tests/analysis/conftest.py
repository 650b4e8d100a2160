"""What the tests of analysis scripts share: a script is run in this process, in a folder of its own."""

import sys

import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def run_script(tmp_path, monkeypatch, capsys):
    """Return a function that runs a script's `main` in the test's folder: exit status, output, errors.

    It reads the folder's store, whose address is absolute: MLflow keeps the store of a relative one.
    """
    monkeypatch.chdir(tmp_path)

    def run(main, *arguments, uri=f"sqlite:///{tmp_path}/mlflow.db"):
        capsys.readouterr()  # what making the store said
        monkeypatch.setattr(sys, "argv", ["script.py", "--tracking-uri", uri, *arguments])
        try:
            main()
            status = 0
        except SystemExit as end:
            status = end.code
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def class_table():
    """Return a function that makes the records of networks and of images whose rows are classes, dealt to shards.

    A network is its settings and metrics (classes,) by name; what it has no frequency of has no row.
    """
    within, fixed = "frequency/within_class", {"study": "imagenet", "search": "grid", "sweep_id": "made1"}

    def rows_of(part, number, settings, metrics, shards):
        classes = len(next(iter(metrics.values())))
        return [
            {
                "trial_id": f"{part}{number}s{label * shards // classes}",
                "epoch": label,
                "part": part,
                "shard": label * shards // classes + 1,
                "shards": shards,
                **fixed,
                **settings,
                **{name: float(values[label]) for name, values in metrics.items()},
            }
            for label in range(classes)
            if within not in metrics or not np.isnan(metrics[within][label])
        ]

    def make(networks, diversity, *, shards=2, seed=0, **settings):
        generator, usual = np.random.default_rng(seed), {"dataset": "made", "model": "net", "seed": 0} | settings
        rows = []
        for number, (own, metrics) in enumerate(networks):
            drawn = generator.random((2, len(metrics[within])))
            others = {"generalization/class_accuracy": drawn[0], f"{within}/path_length": 10 + drawn[1]}
            rows += rows_of("frequency", number, usual | own, others | metrics, shards)
        measured = {f"diversity/{name}": values for name, values in diversity.items()}
        return pd.DataFrame(rows + rows_of("diversity", 0, usual, measured, shards))

    return make


@pytest.fixture
def as_records():
    """Return a function that makes records of a table as they come from a file of it."""
    from analysis.tables.table import Records, normal

    fixed = {"run_id": "r", "label": "made", "intervention": "several settings"}
    return lambda table: Records(
        normal(table.assign(**{name: text for name, text in fixed.items() if name not in table})), {}, "made.csv"
    )

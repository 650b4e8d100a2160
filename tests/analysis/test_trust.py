"""How far decimals are to be trusted, from npz files: means as they were reported, pairs needed, shares by length."""

import json
import sys

import numpy as np
import pytest
import torch

from analysis.trust import ENOUGH, by_length, main, mean_of, pairs_needed
from specbias.data import load_data
from specbias.measurement.path_values import SCALARS
from specbias.measurement.report import measure_function
from specbias.settings.config import TrialConfig
from specbias.settings.measurement import MeasureSettings


def network(images):
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.randn(size, generator=generator) for size in ((3072, 30), (30, 10)))
    return torch.tanh(images.flatten(1) @ first / 20) @ second


@pytest.fixture(scope="module")
def measured():
    data = load_data(TrialConfig(dataset="digits", batch_size=2))
    how = {"pairs": 3, "pairing": "random"}
    return [
        measure_function(network, data, MeasureSettings(**how, **more)) for more in ({}, {"seed": 1}, {"spacing": 0.5})
    ]


def test_means_and_pairs_are_those_that_were_measured(measured):
    record, arrays = measured[0]
    for kind in ("within_class", "between_class"):
        for name in SCALARS:
            assert mean_of(arrays, kind, name) == pytest.approx(record[kind][name])
            error = record[kind]["standard_errors"][name]
            assert pairs_needed(arrays, kind, name) == np.ceil(3 * (error / ENOUGH) ** 2)


def test_shares_by_length_are_means_of_paths_of_about_that_length(measured):
    _, arrays = measured[0]
    found = by_length([arrays], "between_class")
    prefix = "frequency/between_class"
    for place, samples in enumerate(found["samples"]):
        rows = np.abs(arrays[f"{prefix}/samples"] - samples) < 2
        assert rows.sum() >= 5
        assert found["released"][place] == pytest.approx(arrays[f"{prefix}/share"][rows].mean())
        assert found["fixed_band"][place] == pytest.approx(arrays[f"{prefix}/fixed_band"][rows].mean())


def test_files_that_do_not_show_what_is_asked_are_refused_in_a_line_that_names_them(measured, tmp_path, call):
    (_, usual), (_, seed), (_, half) = measured
    files = {"usual": usual, "seed": seed, "half": half}
    files |= {
        "band": half | {"frequency/band": np.array(0.2)},
        "logits": half | {"frequency/signal": np.array("logits")},
    }
    files["old"] = {name: array for name, array in half.items() if name != "frequency/band"}
    for name, arrays in files.items():
        np.savez(tmp_path / f"{name}.npz", **arrays)
    fine, wide = ["--seeds", "usual.npz", "seed.npz"], ["--spacings", "usual.npz"]
    for asked, said in (
        (["--seeds", "usual.npz", "usual.npz"], "usual.npz and usual.npz were measured on the same images"),
        (["--seeds", "usual.npz", "half.npz"], "usual.npz and half.npz were measured on the same images"),
        (
            ["--seeds", "seed.npz", "logits.npz"],
            "seed.npz is of the signal probabilities, logits.npz of the signal log",
        ),
        ([*fine, *wide, "seed.npz"], "usual.npz and seed.npz, within_class: measured on different images"),
        ([*fine, *wide, "band.npz"], "usual.npz is of the band above 0.05, band.npz of the band above 0.2"),
        ([*fine, *wide, "logits.npz"], "usual.npz is of the signal probabilities, logits.npz of the signal logits"),
        ([*fine, *wide, "old.npz"], "old.npz was measured before the band was kept: measure again"),
        ([*fine, *wide, "usual.npz"], "usual.npz and usual.npz, within_class: no more samples on 30 of 30 paths"),
        ([*fine, "--spacings", "half.npz", "usual.npz"], "half.npz and usual.npz, within_class: no more samples on 30"),
    ):
        line = call(*asked)
        assert said in line and line.startswith("error: ") and line.count("\n") == 1, line
    assert not (tmp_path / "figures").exists()


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """Run the script with arguments that it refuses, and return its line."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["trust.py", *arguments])
        with pytest.raises(SystemExit):
            main()
        return capsys.readouterr().err

    return run


def test_the_script_prints_and_saves_all_of_it(measured, tmp_path, monkeypatch, capsys):
    for number, (_, arrays) in enumerate(measured):
        np.savez(tmp_path / f"{number}.npz", **arrays)
    monkeypatch.chdir(tmp_path)
    asked = ["--seeds", "0.npz", "1.npz", "--spacings", "0.npz", "2.npz", "--out", "here"]
    monkeypatch.setattr(sys, "argv", ["trust.py", *asked])
    main()
    assert "| between class | fixed_band |" in capsys.readouterr().out
    rows = json.loads((tmp_path / "here/trust.json").read_text())["rows"]
    assert len(rows) == 2 * len(SCALARS) and (tmp_path / "here/path_length.png").stat().st_size > 10_000
    row = next(row for row in rows if (row["kind"], row["scalar"]) == ("within_class", "sharpness"))
    assert row["by_spacing"] == pytest.approx([found["within_class"]["sharpness"] for found, _ in measured[::2]])
    moved = measured[1][0]["within_class"]["sharpness"] - row["mean"]
    assert row["other_seed"] == pytest.approx(moved) and moved != 0

    np.savez(tmp_path / "old.npz", **{"frequency/signal": np.array("probabilities")})
    monkeypatch.setattr(sys, "argv", ["trust.py", "--seeds", "old.npz", "old.npz"])
    with pytest.raises(SystemExit):
        main()
    assert "not an npz of this version" in capsys.readouterr().err

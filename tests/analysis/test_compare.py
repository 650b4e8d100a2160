"""Networks are compared from their files, in one command; what cannot be compared is one line and status 2."""

import json
import sys

import numpy as np
import pytest
import torch

import specbias
from analysis.compare import main


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Three measured functions: two on the same paths, and one whose samples are nearer."""
    folder = tmp_path_factory.mktemp("networks")
    found = {}
    for name, power, spacing in (("a", 1.0, 4.0), ("b", 3.0, 4.0), ("near", 1.0, 3.0)):
        generator = torch.Generator().manual_seed(0)
        weights = power * torch.randn(3072, 10, generator=generator) / 55
        result = specbias.measure(lambda x, w=weights: x.flatten(1) @ w, "digits", pairs=2, spacing=spacing, quiet=True)
        found[name] = folder / f"{name}.npz"
        np.savez(found[name], **result.arrays)
        found[name].with_suffix(".json").write_text(json.dumps(result.record))
    return found


def run(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["compare.py", *map(str, words)])
    main()


def test_two_networks_are_compared_in_one_command(files, tmp_path, monkeypatch, capsys):
    run(monkeypatch, files["a"], files["b"], "--out", tmp_path / "new", "--width", "8.5")
    said = capsys.readouterr().out
    assert "b less a, path by path, with 95% intervals" in said and len(said.splitlines()) <= 15
    rows = json.loads((tmp_path / "new" / "compare.json").read_text())["differences"]
    [row] = [row for row in rows if (row["scalar"], row["kind"]) == ("total_variation", "between_class")]
    assert row["paired"] and row["low"] < row["difference"] < row["high"] and row["difference"] > 0
    assert f"{row['difference']:+.4f} [{row['low']:+.4f}, {row['high']:+.4f}]" in said
    assert "within classes</text>" in (tmp_path / "new" / "compare.svg").read_text()


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("a", "near"), "a and near are not to be compared: spacing 4 and 3; measure both alike"),
        (("a", "b", "--width", "2"), "width=2: must be between 7 and 60 cm"),
        (("a", "notes.txt"), "notes.txt: expected a folder, or the .json or .npz of a measurement"),
        (("a",), "compare: two measurements or more are needed"),
        (("a", "none.npz"), "none.json: there is no such file, which belongs to none.npz; measure again"),
    ],
)
def test_what_cannot_be_compared_is_one_line_and_status_2(files, tmp_path, monkeypatch, capsys, names, said):
    with pytest.raises(SystemExit) as end:
        run(monkeypatch, *(files.get(name, name) for name in names), "--out", tmp_path)
    assert end.value.code == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("error: ") and printed.err.strip().endswith(said) and printed.err.count("\n") == 1

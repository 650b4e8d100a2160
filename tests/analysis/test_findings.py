"""What a script prints first: the answers with their verdicts in words, what misleads, and where the figure is."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest

from analysis.findings import Findings, as_answers, as_lines, header
from analysis.inference.claim import Claim, judge_sign
from analysis.interventions import interventions, main
from analysis.tables.records_file import write_records
from tests.analysis.test_report import records  # noqa: F401

HEADER = ["made.csv, sweep made1: 12 trials at their last epoch", "paths measured by version 2", "left out: 1 failed"]
PATHS = [Path(f"figures/made/{name}") for name in ("x.png", "x.svg", "x_a.png", "x.json")]


def claim(name, trials="all", verdict="held", interval=(0.1, 0.9)):
    return Claim(trials, name, 0.5, interval, 12, "> 0", verdict)


def said_of(found):
    return as_answers(HEADER, found, PATHS, also=", and attached to the parent run").splitlines()


def test_records_measured_in_several_precisions_say_so(records):  # noqa: F811
    assert not any("precision" in line for line in header(records))
    mixed = dataclasses.replace(records, table=records.table.assign(measure_precision="float32"))
    rows = mixed.table["trial_id"] == mixed.table["trial_id"].iloc[0]
    mixed.table.loc[rows, "measure_precision"] = "corrected"
    line = f"measured in several precisions, whose rounding differs: float32 ({len(records.last) - 1}), corrected (1)"
    assert line in header(mixed)
    assert f"  {line}" in as_answers(header(mixed), Findings(), PATHS).splitlines()


def test_answers_come_first_in_words_with_their_intervals_and_all_else_is_one_flag_away():
    found = Findings(
        claims=[claim("it rises"), claim("so it is said", verdict="not held")],
        answers=["it rises: held (0.5 [0.1, 0.9], n 12)"],
        careful=["few settings"],
        notes=["a long note"],
        tables=["a table"],
        figures={"x": None},
    )
    assert said_of(found) == [
        HEADER[0],
        "",
        "it rises: held (0.5 [0.1, 0.9], n 12)",
        "",
        "be careful:",
        "  few settings",
        "  other ways of asking: 1 did not hold",
        "  left out: 1 failed",
        "",
        "figure: figures/made/x.png",
        "numbers: figures/made/x.json, and attached to the parent run",
        "every table, note and claim: the same command with --full",
    ]
    full = as_lines(HEADER, found, PATHS)
    assert all(text in full for text in ("a long note", "a table", "few settings", "so it is said", "x_a.png"))


@pytest.mark.parametrize(("verdict", "word"), [("undecided", "cannot tell"), ("not held", "did not hold")])
def test_without_answers_the_claims_are_told(verdict, word):
    lines = said_of(Findings(claims=[claim("it rises", verdict=verdict)], figures={"x": None}))
    assert lines[2] == f"all: it rises: {word} (0.5 [0.1, 0.9], n 12)" and "other ways" not in "".join(lines)


def test_of_many_claims_the_first_over_each_thing_is_told_and_the_others_are_counted():
    many = [claim(f"way {way}", f"thing {thing}") for thing in range(3) for way in range(4)]
    lines = said_of(Findings(claims=many, figures={"x": None}))
    assert [line.split(":")[0] for line in lines[2:5]] == ["thing 0", "thing 1", "thing 2"]
    assert "  other ways of asking: 9 held" in lines


def test_nothing_is_longer_than_some_fifteen_lines_however_much_there_is():
    found = Findings(answers=["a"] * 40, careful=["b" * 1000] * 40, notes=["c"] * 40, figures={"x": None})
    lines = said_of(found)
    assert len(lines) <= 20 and max(map(len, lines)) < 320 and "and 34 more" in lines


def test_where_nothing_is_claimed_the_notes_say_why():
    lines = said_of(Findings(notes=["no claim on width: too few"], tables=["t"], figures={"x": None}))
    assert lines[2].startswith("no claim is made") and "  no claim on width: too few" in lines and "t" not in lines


def test_the_two_relations_are_answered_in_words(records, tmp_path, run_script):  # noqa: F811
    write_records(records, tmp_path / "made.csv")
    status, said, error = run_script(main, "--records", "made.csv", "--out", "here")
    assert status == 0, error
    lines = said.splitlines()
    within, between = interventions(records).claims[0], interventions(records).claims[-1]
    assert lines[2].startswith("the within-class frequency is lower in more accurate networks: held (Spearman -")
    assert lines[3].startswith("the between-class frequency is higher in more accurate networks: held (Spearman 1 [")
    assert within.trials != between.trials and len(lines) <= 16
    assert "  12 settings are few: intervals are wide, and what is undecided is no evidence of nothing" in lines


@pytest.mark.parametrize(
    ("flags", "said"), [(["--format", "gif"], "--format gif: png, svg, pdf"), (["--width", "1"], "--width 1: 4 to 40")]
)
def test_a_format_or_width_that_there_is_not_is_one_line(run_script, flags, said):
    status, _, error = run_script(main, "--records", "made.csv", *flags)
    assert status == 2 and error.startswith(f"error: {said}") and error.count("\n") == 1


def test_for_a_paper_panels_stand_alone_at_their_width_without_a_caption(records, tmp_path, run_script):  # noqa: F811
    write_records(records, tmp_path / "made.csv")
    flags = ("--format", "svg,pdf,png", "--width", "8.5", "--out", "here")
    status, _, error = run_script(main, "--records", "made.csv", *flags)
    assert status == 0, error
    names = {f"interventions{panel}.{kind}" for panel in ("", "_a", "_b", "_c", "_d") for kind in ("svg", "pdf", "png")}
    assert {path.name for path in (tmp_path / "here").iterdir()} == names | {"interventions.json"}
    for panel, label in (("a", "within-class frequency"), ("b", "between-class frequency")):
        drawn = (tmp_path / "here" / f"interventions_{panel}.svg").read_text()
        assert f">{label}<" in drawn and ">width<" in drawn and "sweep made1" not in drawn  # text is text
    assert plt.imread(tmp_path / "here" / "interventions_a.png").shape[1] == int(8.5 / 2.54 * 300)
    plt.close("all")


def test_a_sign_that_is_not_known_is_no_answer():
    nothing = SimpleNamespace(statistic=np.nan, interval=None, n=3)
    undefined = judge_sign("x", nothing, trials="t", positive=True)
    assert said_of(Findings(claims=[undefined], figures={"x": None}))[2] == "t: x: undefined (undefined, n 3)"

"""Lines fit their terminal with whole words and numbers, commands can be copied, and a pipe gets each line whole."""

import io
import shlex
from contextlib import redirect_stdout

import pytest

from sweeps.service.screen import Rows, show, show_command

TEXT = "label_smoothing=0.1 weight_decay=0.0005: failed: OSError: No space left on device (3 of 12, about 40 min left)"
COMMAND = ["python", "sweeps/cifar.py", "--grid", "mixup=0,0.2", "--on-finish", "mail -s done me", "--quick"]
LABEL, TITLES = "mixup=0.2 label_smoothing=0.1", ["accuracy", "within", "between"]


def show_row(label=LABEL, time_left="about 89 min"):
    Rows(TITLES, label=len(LABEL), epoch=5).show(label, "10/15", [0.12345, None, 12.0], time_left)


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(params=[200, 80, 60, 30])
def columns(request, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(request.param))
    return request.param


def at_a_terminal(function, *arguments):
    with redirect_stdout(Terminal()) as terminal:
        function(*arguments)
    return terminal.getvalue()


def test_lines_are_folded_between_words(columns):
    text = at_a_terminal(show, f"{TEXT}\n\n{TEXT}")
    assert text.split() == 2 * TEXT.split() and "\n\n" in text
    assert all(len(line) <= columns for line in text.splitlines())


def test_a_folded_command_is_the_same_command(columns):
    text = at_a_terminal(show_command, COMMAND)
    assert shlex.split(text.replace("\\\n", " ")) == COMMAND
    assert all(len(line) <= columns for line in text.splitlines())


def test_rows_shorten_labels_and_no_number(columns):
    titles, row = at_a_terminal(show_row).splitlines()
    label, *numbers = row.split("  ")[0], *row[row.index("10/15") :].split()
    assert numbers == ["10/15", "0.1235", "-", "12.0000", *(["about", "89", "min"] if columns >= 80 else [])]
    assert row.index("12.0000") == titles.index("between")
    assert LABEL.endswith(label.removeprefix("...")) and (label == LABEL or columns <= 80)
    assert max(len(titles), len(row)) <= max(columns, 42)  # numbers, and three dots


def test_where_there_is_no_terminal_nothing_is_folded_or_shortened(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    show(TEXT)
    show_command(COMMAND)
    show_row()
    text, command, _, row = capsys.readouterr().out.splitlines()
    assert text == TEXT and shlex.split(command) == COMMAND
    assert row == f"{LABEL}    10/15    0.1235         -   12.0000  about 89 min"

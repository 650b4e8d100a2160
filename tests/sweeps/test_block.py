"""The block at a terminal: a bar, a row per trial that runs, and above it, for good, what else is printed."""

import io

import pytest
from rich.console import Console

from sweeps.service.run.block import MOST, Block
from sweeps.service.screen import show

TITLES = ["accuracy", "within", "between"]
ROW = ("5/20", [0.4651, None, 0.2538], "about 53 s")


def shown(block):
    console = Console(file=io.StringIO(), width=block.console.width)
    console.print(block)
    return console.file.getvalue().splitlines()


def block_of(width, rows=1):
    block = Block(TITLES, console=Console(file=io.StringIO(), width=width))
    for number in range(rows):
        block.show(f"weight_decay=0.0 label_smoothing={number}", ROW, done=3, total=15)
    return block


@pytest.mark.parametrize("width", [120, 80, 60])
def test_a_row_has_the_trials_numbers_and_the_bar_what_is_done_at_any_width(width):
    lines = shown(block_of(width))
    assert "3 of 15 trials" in lines[0] and all(len(line) <= width for line in lines)
    assert [*lines[1].split()[:5]] == ["trial", "epoch", *TITLES]
    assert lines[2].split()[-7:] == ["5/20", "0.4651", "-", "0.2538", "about", "53", "s"]
    assert lines[2].split()[-8].endswith("smoothing=0")  # labels differ at their end


def test_the_bar_counts_the_parts_of_trials_that_run():
    block = block_of(120, rows=2)
    bar = next(iter(block.__rich__().renderables[0].columns[0].cells))
    assert (bar.completed, bar.total) == (3 + 2 * 5 / 20, 15)


def test_of_more_trials_than_fit_the_others_are_counted():
    lines = shown(block_of(120, rows=MOST + 3))
    assert len(lines) == 2 + MOST + 1 and lines[-1].strip() == "and 3 more"


def test_a_trial_that_ends_leaves_the_block_with_its_last_row_and_the_time_left_is_said():
    block = block_of(120, rows=2)
    assert block.end("weight_decay=0.0 label_smoothing=0", done=4, total=15, time_left="about 2 min") == ROW
    assert block.end("never seen", done=4, total=15, time_left="about 2 min") is None
    lines = shown(block)
    assert "4 of 15 trials, about 2 min left" in lines[0] and len(lines) == 3
    block.close()
    block.close()  # which may be asked twice


def test_what_is_printed_meanwhile_stands_above_and_the_block_is_gone_in_the_end(monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr("sys.stdout", screen)
    block = Block(TITLES, console=Console(force_terminal=True, width=100, color_system=None))
    block.show("baseline", ROW, done=0, total=2)
    show("epochs=4: finished (1 of 2)")
    block.close()
    show("2 finished")
    text = screen.getvalue()
    assert "epochs=4: finished (1 of 2)" in text and text.endswith("2 finished\n") and "\x1b[?25h" in text

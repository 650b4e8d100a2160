"""The hook at a sweep's end: it is told what there is to tell, and nothing it does harms the sweep."""

import os
import time

import pytest

from sweeps.service.run.notify import notify

ENDED = {"status": 1, "summary": "3 finished, 1 failed", "experiment": "a b", "sweep_id": "0e1", "parent_run": "9f"}


def test_the_command_is_told_by_its_environment_how_the_sweep_ended(tmp_path, capfd, monkeypatch):
    monkeypatch.setenv("SPECBIAS_TEST", "mine")
    names = ("STATUS", "SUMMARY", "EXPERIMENT", "SWEEP", "RUN", "TEST")
    text = "|".join(f"$SPECBIAS_{name}" for name in names)
    notify(f'echo "{text}" | cat > "{tmp_path}/told"; echo seen; cat', **ENDED)  # nothing to read: cat ends
    assert (tmp_path / "told").read_text() == "1|3 finished, 1 failed|a b|0e1|9f|mine\n"
    assert capfd.readouterr().out == "seen\n"
    assert not any(name.startswith("SPECBIAS_S") for name in os.environ)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("exit 3", "it ended with status 3"),
        ("kill -9 $$", "it ended with status -9"),
        ("no-such-command-at-all 2>/dev/null", "it ended with status 127"),
        ("echo a\0b", "embedded null byte"),
    ],
)
def test_a_command_that_fails_is_one_line(command, said, capfd):
    notify(command, **ENDED)
    assert capfd.readouterr().out == f"--on-finish failed: {said}; the sweep's results are not touched by that\n"


def test_a_command_that_hangs_is_ended_with_all_it_started(tmp_path, capfd):
    started = time.monotonic()
    notify(f"(sleep 2; touch {tmp_path}/late) & sleep 60", **ENDED, limit=0.5)
    assert time.monotonic() - started < 5
    assert "it took more than 0.5 s" in capfd.readouterr().out
    time.sleep(2.5)
    assert not (tmp_path / "late").exists()


def test_what_the_command_leaves_in_the_background_is_not_waited_for(tmp_path):
    started = time.monotonic()
    notify(f"(sleep 1; touch {tmp_path}/later) &", **ENDED)
    assert time.monotonic() - started < 0.9
    time.sleep(1.5)
    assert (tmp_path / "later").exists()

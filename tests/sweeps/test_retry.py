"""Of what fails again and again there is a line now and then, whatever it does; and it is tried ever more seldom."""

import threading
import time

import pytest

from sweeps.service.keep import retry as retry_module
from sweeps.service.keep.retry import Trouble, insist


class Clock:
    """A clock that only waiting moves, and remembers when it was asked to wait; for other threads the usual one."""

    def __init__(self):
        self.now, self.waits, self.thread = 0.0, [], threading.current_thread()

    def monotonic(self):
        return self.now if self.thread is threading.current_thread() else time.monotonic()

    def sleep(self, seconds):
        if self.thread is threading.current_thread():
            self.waits.append(seconds)
            self.now += seconds
        else:
            time.sleep(seconds)


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(retry_module, "time", made)
    return made


def attempts(clock, fails):
    """Attempt something that fails at these times; return (when, line) of all that was printed."""
    trouble, lines = Trouble("MLflow takes no records"), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retry_module, "show", lambda line: lines.append((clock.now, line)))
        while clock.now < 7200:
            if fails(clock.now):
                trouble.note(ConnectionError("to http://me:pw9x7q@host"))
                trouble.rest()
            else:
                trouble.over()
                clock.sleep(1)
    return lines


def test_a_long_failure_is_said_ever_more_seldom_and_its_end_once(clock):
    lines = attempts(clock, lambda now: 100 < now < 5000)
    times = [when for when, line in lines if "takes no records" in line]
    assert 105 <= times[0] < 115 and len(times) < 8
    assert all(later - earlier >= 60 for earlier, later in zip(times, times[1:], strict=False))
    assert lines[0][1] == "MLflow takes no records (ConnectionError: to http://me:***@host); it is tried again"
    assert [line for when, line in lines if when > 5000] == ["MLflow answers again"]
    assert clock.waits[101:111] == [0.5, 1, 2, 4, 8, 16, 30, 30, 30, 30]


def test_what_comes_and_goes_is_said_once_a_minute_and_what_is_short_not_at_all(clock):
    lines = attempts(clock, lambda now: now % 20 > 10)
    assert len(lines) <= 2 * 7200 / 60 and "answers again" in lines[-1][1]
    clock.now = 0
    assert attempts(clock, lambda now: now % 20 > 17) == []


def test_one_insists_until_it_succeeds_or_patience_is_over_or_it_is_hopeless(clock):
    def attempt():
        if clock.now < 40:
            raise ConnectionError("no")
        return "yes"

    assert insist(attempt, Trouble("No"), patience=300) == "yes" and clock.now >= 40
    clock.now = 0
    with pytest.raises(ConnectionError):
        insist(attempt, Trouble("No"), patience=10)
    assert 10 <= clock.now < 11
    clock.now = 0
    with pytest.raises(ConnectionError):
        insist(attempt, Trouble("No"), patience=10, hopeless=lambda error: "no" in str(error))
    assert clock.now == 0

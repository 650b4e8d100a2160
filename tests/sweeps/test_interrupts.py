"""What a driver makes of being asked to end: once is once, however often it comes at once, and no more in the end."""

import os
import signal

import pytest

from sweeps.service.run import interrupts as driver
from sweeps.service.run.interrupts import Interrupts

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


def ask(number):
    os.kill(os.getpid(), number)


@pytest.fixture(autouse=True)
def terminal():
    """The end of the terminal ends this process, also where the tests were begun by nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", SIGNALS)
def test_what_comes_at_once_is_one_request_and_what_comes_later_another(number, monkeypatch):
    before = signal.getsignal(number)
    with Interrupts() as interrupts:
        assert not interrupts.asked
        with pytest.raises(KeyboardInterrupt):
            ask(number)
        for other in SIGNALS:
            ask(other)
        monkeypatch.setattr(driver, "APART", 0)
        with pytest.raises(KeyboardInterrupt):
            ask(number)
        with pytest.raises(KeyboardInterrupt):  # which a library may have swallowed
            interrupts.raise_again()
    assert signal.getsignal(number) is before


def test_while_it_ends_it_only_takes_note():
    with Interrupts() as interrupts:
        interrupts.heeded = False
        ask(signal.SIGINT)
        assert interrupts.asked


def test_the_end_of_the_terminal_stays_ignored_where_it_was():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupts() as interrupts:
            ask(signal.SIGHUP)
            assert not interrupts.asked
    finally:
        signal.signal(signal.SIGHUP, before)

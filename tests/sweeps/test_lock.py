"""Laws of the lock: one driver at a time; the dead hold nothing up; who has lost it writes no more."""

import json
import os
import runpy
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from specbias.settings import SettingError
from sweeps.service.keep import lock as lock_module
from sweeps.service.keep.lock import Lock, Lost

HOLD = Path(__file__).parent / "hold.py"
Board = runpy.run_path(str(HOLD))["Board"]


@contextmanager
def holder(folder, *, file="a.lock", machine=(), within=()):
    """A process that has the lock, and has written; it is killed in the end."""
    command = [*within, sys.executable, str(HOLD), folder / "claims", folder / file, folder / "output", *machine]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    while not (folder / "output").exists() or not (folder / "output").read_text():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    yield process
    end(process)


def end(process):
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.stderr.read()  # until it is gone, not only `unshare`
        process.wait()
        time.sleep(0.1)
    process.stderr.close()


@pytest.mark.parametrize("what", ["storage and store", "only the store"])
def test_of_drivers_that_ask_at_once_exactly_one_gets_it(tmp_path, what):
    for number in range(3 if what == "storage and store" else 12):
        board, start, others = Board(tmp_path / str(number)), threading.Barrier(4), threading.Semaphore(0)
        got, refused = [], []

        def ask(which, board=board, start=start, others=others, got=got, refused=refused, number=number):
            file = tmp_path / (f"{number}.lock" if what == "storage and store" else f"{number}.{which}.lock")
            start.wait()
            try:
                with Lock(board, str(file)):
                    got.append(which)
                    assert all(others.acquire(timeout=30) for _ in range(3))  # until they have been refused
            except SettingError as error:
                refused.append(str(error))
                others.release()

        threads = [threading.Thread(target=ask, args=(which,)) for which in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(got) == 1 and len(refused) == 3
        assert all(f"this very sweep is running, in process {os.getpid()}: wait" in line for line in refused)
        assert board.read() == {} and not list(tmp_path.glob("*.lock"))


@pytest.mark.parametrize("place", ["here", "in another PID namespace"])
@pytest.mark.parametrize("storage", ["a.lock", "b.lock"])
def test_a_driver_of_this_machine_has_it_until_it_dies_and_not_a_moment_longer(tmp_path, place, storage):
    within = ()
    if place != "here":
        within = ("unshare", "--pid", "--fork", "--kill-child")
        if not shutil.which("unshare") or subprocess.run([*within, "true"], capture_output=True).returncode:
            pytest.skip("no PID namespaces here")
    lock = Lock(Board(tmp_path / "claims"), str(tmp_path / storage))
    with holder(tmp_path, within=within) as process:
        with pytest.raises(SettingError, match="this very sweep is running, in process"), lock:
            pass
        process.send_signal(signal.SIGSTOP)  # as long as it may go on, it is its own
        with pytest.raises(SettingError, match="this very sweep is running"), lock:
            pass
        end(process)
        asked = time.monotonic()
        with Lock(Board(tmp_path / "claims"), str(tmp_path / storage)):
            assert time.monotonic() - asked < 2
    assert Board(tmp_path / "claims").read() == {}


def claim(**changes):
    """A claim of a driver on another machine."""
    who = {"token": "other", "host": "elsewhere", "pid": 7, "kernel": "its", "file": "/its/a.lock"}
    return json.dumps(who | {"holds": True, "beat": time.time()} | changes)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(lock_module, "SILENT", 1.0)
    monkeypatch.setattr(lock_module, "BEAT", 0.2)


def test_a_driver_elsewhere_has_it_until_it_has_been_silent_for_long(tmp_path, quick):
    board = Board(tmp_path / "claims")
    board.write("other", claim())
    said = r"in process 7 on elsewhere \(heard of 0 s ago; after 1 s of silence it counts as dead\): wait for it"
    with pytest.raises(SettingError, match=said), Lock(board, str(tmp_path / "a.lock")):
        pass
    assert list(board.read()) == ["other"]
    board.write("other", claim(beat=time.time() - 1.1))
    with Lock(board, str(tmp_path / "a.lock")) as lock:
        assert list(board.read()) == [lock.token]
    for torn in ("", "5", '{"token"', "[1]"):
        board.write("torn", torn)
        with Lock(board, str(tmp_path / "a.lock")):
            pass


@pytest.mark.parametrize("wrong", [-3600, 3600])
def test_a_driver_elsewhere_whose_clock_is_wrong_is_heard_all_the_same(tmp_path, quick, wrong):
    board, done = Board(tmp_path / "claims"), threading.Event()

    def beat():
        while not done.wait(0.05):
            board.write("other", claim(beat=time.time() + wrong))

    board.write("other", claim(beat=time.time() + wrong))
    thread = threading.Thread(target=beat)
    thread.start()
    with pytest.raises(SettingError, match="this very sweep is running"), Lock(board, str(tmp_path / "a.lock")):
        pass
    done.set()
    thread.join()
    with Lock(board, str(tmp_path / "a.lock")):  # and when it has died, its clock does not keep it alive
        pass


def test_a_driver_that_was_stopped_for_long_and_comes_back_writes_no_more(tmp_path, quick):
    with holder(tmp_path, machine=["elsewhere"]) as process:
        process.send_signal(signal.SIGSTOP)
        time.sleep(1.1)
        before = (tmp_path / "output").read_text()
        with Lock(Board(tmp_path / "claims"), str(tmp_path / "b.lock")) as lock:
            process.send_signal(signal.SIGCONT)
            assert process.wait(10) == 1
            assert list(lock.claims.read()) == [lock.token]
            lock.confirm()
        assert (tmp_path / "output").read_text() == before
        assert process.stderr.read().splitlines() == [
            "this driver was silent for long, and another has taken the sweep over: it ends"
        ]


def test_a_driver_that_is_heard_of_by_nobody_else_goes_on(tmp_path, quick):
    with holder(tmp_path, machine=["elsewhere"]) as process:
        process.send_signal(signal.SIGSTOP)
        time.sleep(1.5)
        before = len((tmp_path / "output").read_text())
        process.send_signal(signal.SIGCONT)
        time.sleep(0.5)
        assert process.poll() is None and len((tmp_path / "output").read_text()) > before


def test_a_store_that_is_set_back_is_told_again_and_one_that_another_has_is_lost(tmp_path, quick):
    board = Board(tmp_path / "claims")
    with Lock(board, str(tmp_path / "a.lock")) as lock:
        for other, ours in ((None, True), (claim(), False)):
            board.delete(lock.token)
            if other:
                board.write("other", other)
            time.sleep(0.5)  # it beats
            assert (lock.token in board.read()) == ours
        with pytest.raises(Lost, match="in process 7 on elsewhere"):
            lock.confirm()
    with pytest.raises(Lost):
        lock.confirm()


def test_what_has_released_it_writes_no_more(tmp_path):
    with Lock(Board(tmp_path / "claims"), str(tmp_path / "a.lock")) as lock:
        lock.confirm()
        lock.release()
        with pytest.raises(Lost):
            lock.confirm()
        with Lock(Board(tmp_path / "claims"), str(tmp_path / "a.lock")):
            pass


@pytest.mark.parametrize("first", range(3))
def test_where_the_store_fails_meanwhile_it_is_entered_again(tmp_path, first):
    class Failing(Board):
        calls = 0

        def _call(self, name, *arguments):
            self.calls += 1
            if first < self.calls <= first + 3:
                raise ConnectionError("nobody answers")
            return getattr(Board, name)(self, *arguments)

        def read(self):
            return self._call("read")

        def write(self, *claim):
            self._call("write", *claim)

        def delete(self, token):
            self._call("delete", token)

    lock, entered = Lock(Failing(tmp_path / "claims"), str(tmp_path / "a.lock")), False
    while not entered:
        try:
            with lock:
                entered = list(Board(tmp_path / "claims").read()) == [lock.token]
                lock.check()
        except ConnectionError:
            continue
    assert Board(tmp_path / "claims").read() == {} and not list(tmp_path.glob("*.lock"))


def test_a_driver_that_is_stopped_while_it_asks_finds_that_another_has_it(tmp_path, quick, monkeypatch):
    """It has seen no other; then it stands still for so long that another takes it for dead, and then it goes on."""
    monkeypatch.setattr(lock_module, "lock_file", lambda *arguments, **named: None)  # they share no file
    first, other = (Lock(Board(tmp_path / "claims"), str(tmp_path / name)) for name in "ab")
    renew, seen, go = first._renew, threading.Event(), threading.Event()
    monkeypatch.setattr(first, "_renew", lambda: (seen.set(), go.wait(10), renew()))
    refused = []

    def ask():
        try:
            first.__enter__()
        except SettingError as refusal:
            refused.append(str(refusal))

    asking = threading.Thread(target=ask)
    asking.start()
    seen.wait(10)
    time.sleep(1.2)
    with other:
        go.set()
        asking.join()
        assert refused == ["this driver was silent for long, and another has taken the sweep over"]
        other.confirm()

"""Which process may drive a sweep? One at a time: it has a locked file on the storage, and a claim in MLflow.

The operating system frees the file when its process dies, in any container of the machine. The claim is for drivers
that share only MLflow: each driver writes its own claim and renews it. A driver counts as dead if it has been silent
for SILENT seconds and its file cannot be seen. If it was only stopped for so long, it finds its claim gone before it
writes anything, and ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import threading
import time
import uuid
from functools import cache
from pathlib import Path
from typing import IO, Any, Protocol

from specbias.settings import SettingError
from sweeps.service.keep.locked_file import lock_file, now

SILENT = 60.0  # seconds after which a driver that cannot be looked at is taken for dead
BEAT = 15.0  # seconds between its signs of life
Claim = dict[str, Any]
NOBODY = {"token": "", "host": "", "pid": 0, "kernel": "", "file": "", "holds": False, "beat": 0.0}


class Lost(SettingError):
    """The sweep is another driver's, or nobody's: this one writes no more."""


class Claims(Protocol):
    """Where all drivers of a sweep see each other's claims: texts, by the driver's token."""

    def read(self) -> dict[str, str]: ...
    def write(self, token: str, claim: str) -> None: ...
    def delete(self, token: str) -> None: ...


class Lock:
    """The right to drive one sweep, held while it is entered; SettingError if another driver has it.

    Where the store fails meanwhile, what that raises passes through, and it may be entered again.
    """

    def __init__(self, claims: Claims, file: str) -> None:
        self.claims, self.file = claims, Path(file)
        self.token = uuid.uuid4().hex[:12]
        self.lost: Lost | None = None  # once it is not ours any more
        self._confirmed = now()
        self.turn = threading.RLock()
        self._ended = threading.Event()
        self._handle: IO[str] | None = None
        self._last_holder = ""  # token of the driver that had the file before us, and so is dead

    def __enter__(self) -> Lock:
        self.lost, self._ended = None, threading.Event()
        try:
            self._handle = lock_file(self.file, patience=1.0)
        except TimeoutError as found:
            raise SettingError(_refusal(_read_claim(str(found)))) from None
        try:
            if self._handle is not None:
                self._last_holder = _read_claim(self._handle.read())["token"]
                self._handle.truncate(0)
                self._handle.write(self._claim(holds=True))
                self._handle.flush()
            self.claim()
        except BaseException:
            self.release()
            raise
        threading.Thread(target=self._beat, name="signs of life", daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.release()

    def release(self) -> None:
        """Let others have it, and write no more. A claim that cannot be deleted now is void: nobody locks its file."""
        self.lost = self.lost or Lost("this driver has ended")
        self._ended.set()
        with self.turn, contextlib.suppress(Exception):
            self.claims.delete(self.token)
            if self._handle is not None:
                self.file.unlink(missing_ok=True)
        if self._handle is not None:
            self._handle.close()
            self._handle = None

    def claim(self) -> None:
        """Claim the sweep in the store, unless another that lives has it, or asks for it too and comes before us."""
        self.claims.write(self.token, self._claim(holds=False))
        while others := self._others():
            before = [claim for token, claim in sorted(others.items()) if claim["holds"] or token < self.token]
            if before:
                self.claims.delete(self.token)
                raise SettingError(_refusal(before[0]))
            time.sleep(0.2)  # who comes after us sees that, or has it by now
        self._renew()
        if not self._is_alone():  # we were stopped for so long that another took us for dead
            self.claims.delete(self.token)
            raise SettingError("this driver was silent for long, and another has taken the sweep over")

    def confirm(self) -> None:
        """Raise Lost unless the sweep is ours still, and renew the claim when it is time; to be called before writing.

        What the store raises passes through: nothing can be written either then.
        """
        with self.turn:
            self.check()
            before = self._confirmed
            if now() - before < BEAT:
                return
            if self.token in self.claims.read():
                self._renew()
            elif now() - before < SILENT:  # nobody can have taken it over: the store has been set back
                self.claim_again()
            if now() - before >= SILENT and not self._is_alone():
                self.lost = Lost("this driver was silent for long, and another has taken the sweep over: it ends")
                raise self.lost

    def claim_again(self) -> None:
        """Claim it in a store that does not know of us, since it has been emptied or set back; Lost if it is taken."""
        try:
            self.claim()
        except SettingError as refusal:
            self.lost = Lost(str(refusal))
            raise self.lost from None

    def check(self) -> None:
        """Raise Lost if it is known that the sweep is not ours any more."""
        if self.lost is not None:
            raise self.lost

    def _beat(self) -> None:
        while not self._ended.wait(BEAT) and self.lost is None:
            with contextlib.suppress(Exception):  # the store is away: who writes meets with that too
                self.confirm()

    def _renew(self) -> None:
        at = now()
        self.claims.write(self.token, self._claim(holds=True))
        self._confirmed = at

    def _is_alone(self) -> bool:
        claims = self.claims.read()
        return self.token in claims and not any(_read_claim(c)["holds"] for t, c in claims.items() if t != self.token)

    def _others(self) -> dict[str, Claim]:
        """Return the claims of other drivers that live, and delete those of the dead."""
        found = {token: _read_claim(text) for token, text in self.claims.read().items() if token != self.token}
        dead = {token for token, claim in found.items() if self._has_died(claim)}
        silent = {t: c for t, c in found.items() if t not in dead and not 0 <= time.time() - c["beat"] < SILENT}
        if silent:  # or its clock goes wrong
            time.sleep(4 / 3 * BEAT)
            again = self.claims.read()
            dead |= {token for token, claim in silent.items() if _read_claim(again.get(token, "")) in (claim, NOBODY)}
        for token in dead:
            self.claims.delete(token)
        return {token: claim for token, claim in found.items() if token not in dead}

    def _has_died(self, claim: Claim) -> bool:
        """Tell whether a driver of this machine has died: nobody locks its file any more."""
        if claim["kernel"] != kernel() or not claim["file"]:
            return False
        if claim["token"] == self._last_holder:
            return True
        try:
            with open(claim["file"]) as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return claim["token"] in file.read()
        except OSError:  # it lives, or its file is not to be seen from here
            return False

    def _claim(self, *, holds: bool) -> str:
        file = str(self.file.absolute()) if self._handle is not None else ""
        who = {"token": self.token, "host": platform.node(), "pid": os.getpid(), "kernel": kernel(), "file": file}
        return json.dumps(who | {"holds": holds, "beat": time.time()})


class Guarded:
    """Something that writes, of which every method first makes sure that the sweep is ours still."""

    def __init__(self, writer: Any, lock: Lock) -> None:
        self._writer, self._lock = writer, lock

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._writer, name)

        def call(*arguments: Any, **named: Any) -> Any:
            self._lock.confirm()
            return method(*arguments, **named)

        return call


@cache
def kernel() -> str:
    """Return which machine this is, the same in all its containers, and another after each start."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return platform.node()


def _read_claim(text: str) -> Claim:
    """Return what a claim says; one that is torn is nobody's."""
    with contextlib.suppress(ValueError, TypeError):
        return NOBODY | json.loads(text)
    return NOBODY


def _refusal(claim: Claim) -> str:
    who = f"process {claim['pid']}" if claim["pid"] else "another process"
    who += f" on {claim['host']}" if claim["host"] not in ("", platform.node()) else ""
    if claim["kernel"] not in ("", kernel()):
        age = max(time.time() - claim["beat"], 0)
        who += f" (heard of {age:.0f} s ago; after {SILENT:.0f} s of silence it counts as dead)"
    return f"this very sweep is running, in {who}: wait for it, or choose another --experiment"

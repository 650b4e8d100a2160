"""How do journals get into MLflow? A thread of the driver copies them, and tries again if that fails.

The journals are the buffer: if the server is down for an hour, nothing is lost and no trial waits. Each epoch is copied
once. If the server's answer is lost, the epoch is copied again and is still there only once, because its time is in the
journal. A run is FINISHED if all measurements and the last state of its trial were intact when they were copied;
otherwise the trial goes on. What somebody deletes in MLflow is copied again: at the end the driver asks MLflow what it
has.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Any

from sweeps.service.keep.journal import Damaged, Journal
from sweeps.service.keep.opening import restore
from sweeps.service.keep.retry import Trouble
from sweeps.service.keep.storage import list_folder
from sweeps.service.keep.tracking import OUTCOMES, Tracking
from sweeps.service.run.copying import Copier
from sweeps.service.run.ledger import Ledger
from sweeps.service.screen import show

LOOK = 15.0  # seconds between two looks at what MLflow still has
COPIERS = 2  # trials that are copied at once: one's requests are answered while the other's journal is read


class Mirror:
    """Copies the journals of a sweep's trials to their runs; everything else of the driver goes on meanwhile."""

    def __init__(
        self, tracking: Tracking, ledger: Ledger, root: str, *, tags: dict[str, str], records: str | None = None
    ) -> None:
        self.tracking, self.ledger, self.root = tracking, ledger, root
        self.copier = Copier(tracking, ledger, root, tags=tags, records=records)
        self.trouble = Trouble("MLflow takes no records, which are kept")
        self._noted: dict[str, tuple[Any, set[int]]] = {}  # trial_id -> config, epochs not copied yet
        self._endings: dict[str, dict[str, str]] = {}
        self._damaged: dict[str, tuple[Any, str]] = {}  # trial_id -> config, what of a finished trial is not whole
        self._in_vain = False  # somebody waits, or has given up waiting
        self._reviewed = False  # whether MLflow was found to hold all, in the end
        self._changed, self._closing = threading.Condition(), False
        self._thread = threading.Thread(target=self._run, name="mirror", daemon=True)
        self._thread.start()

    def note(self, config: Any, epoch: int) -> None:
        """Take note that the trial's journal has a record of this epoch."""
        with self._changed:
            self._noted.setdefault(config.trial_id, (config, set()))[1].add(epoch)
            self._changed.notify()

    def end(self, config: Any, outcome: str, *, failure: str = "", traceback: str = "") -> None:
        """Take note of how the trial ended: its run gets all that the journal holds, and then its final state."""
        with self._changed:
            self._noted.setdefault(config.trial_id, (config, set()))
            self._endings[config.trial_id] = {"outcome": outcome, "failure": failure, "traceback": traceback}
            self._changed.notify()

    def holds_all_of(self, trial_id: str) -> bool:
        """Tell whether MLflow holds all that a finished trial measured, and its last state."""
        return self.ledger.has_finished(trial_id) and not {trial_id} & (self._noted.keys() | self._damaged.keys())

    def take_damaged(self) -> list[tuple[Any, str]]:
        """Return the finished trials of which not all is whole, and what is not, each once: they are to go on."""
        with self._changed:
            found = [*self._damaged.values()]
            self._damaged.clear()
        return found

    def settle(self, patience: float) -> str:
        """Wait until all is copied, as long as `patience` seconds never pass without success; return why some is not.

        Who has waited in vain does not wait again.
        """
        started = since = time.monotonic()
        patience, left, said = 0 if self._in_vain else patience, len(self._noted), False
        self._in_vain = True
        while self._noted and time.monotonic() - since < patience:
            if not said and time.monotonic() - started > 5:
                show("bringing MLflow up to date; Ctrl-C ends the waiting, and nothing is lost by that")
                said = True
            time.sleep(0.1)
            self.tracking.check()
            if len(self._noted) < left:
                left, since = len(self._noted), time.monotonic()
        left = len(self._noted)
        self._in_vain = left > 0
        return f"{left} trials are not copied yet: {self.trouble.error or 'it takes long'}" if left else ""

    def close(self, patience: float) -> str:
        """Settle, make sure that MLflow holds it, and end the thread; return why a trial is not copied."""
        trouble = self.settle(patience)
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(0 if trouble else max(patience, 5))
        if not trouble and self._thread.is_alive():
            trouble = self.trouble.error or "it takes long"
        with self._changed:
            damaged = [f"a trial is to go on: {why}" for _, why in self._damaged.values()]
        return trouble or "; ".join(damaged)

    def is_all_kept(self) -> bool:
        """Tell whether the journals have, whole, all that is not copied yet."""
        with self._changed:  # which may go on being copied
            noted = [(config, set(epochs)) for config, epochs in self._noted.values()]
            damaged = [*self._damaged]
        try:
            return not damaged and all(self._is_kept(*each) for each in noted)
        except OSError:
            return False

    def _is_kept(self, config: Any, epochs: set[int]) -> bool:
        journal, ending = Journal(self.root, config.trial_id), self._endings.get(config.trial_id, {})
        ended = ending.get("outcome") != "finished" or journal.last(self.ledger.plan.study.kind.last_epoch(config))
        return bool(ended) and {record.epoch for record in journal.records()} >= epochs

    def _run(self) -> None:
        looked = time.monotonic()
        while True:
            with self._changed:
                if not self._noted and self._reviewed:
                    return
                self._changed.wait_for(lambda: self._noted or self._closing, timeout=LOOK)
                trials = list(self._noted)
            well = self._attempt_all(trials)
            if self._closing and not self._noted:
                well &= self._try(self._review)
            elif time.monotonic() - looked > LOOK:
                looked = time.monotonic()
                well &= self._try(self._restore)
            if well:
                self.trouble.over()
            else:
                self.trouble.rest()

    def _try(self, function: Any, *arguments: Any) -> bool:
        try:
            function(*arguments)
        except Exception as error:  # whatever it is, it must not end the mirror
            with self._changed:
                self.trouble.note(error)
            return False
        return True

    def _attempt_all(self, trial_ids: list[str]) -> bool:
        """Copy these trials, several at once; return whether that went well.

        What fails may be gone in MLflow: that is looked for when nothing else is under way.
        """
        waiting, copied = [*reversed(trial_ids)], set[str]()

        def work() -> None:
            with suppress(IndexError):
                while True:
                    trial_id = waiting.pop()
                    if self._attempt(trial_id):
                        copied.add(trial_id)

        # daemons, as this thread: a request that never ends does not keep the process alive
        others = [threading.Thread(target=work, daemon=True) for _ in trial_ids[1:COPIERS]]
        with suppress(RuntimeError):  # no more threads are to be had: this one copies all
            for thread in others:
                thread.start()
        work()
        for thread in [thread for thread in others if thread.ident is not None]:
            thread.join()
        for trial_id in [trial_id for trial_id in trial_ids if trial_id not in copied]:
            self._try(self._restore, trial_id)
        return len(copied) == len(trial_ids)

    def _attempt(self, trial_id: str) -> bool:
        with self._changed:
            config, epochs = self._noted[trial_id]
            epochs, ending = set(epochs), self._endings.get(trial_id)
        if not self._try(self._copy, config, epochs, ending):
            return False
        with self._changed:
            self._noted[trial_id][1].difference_update(epochs)
            if ending is self._endings.get(trial_id) and not self._noted[trial_id][1]:
                del self._noted[trial_id]
                self._endings.pop(trial_id, None)
        return True

    def _copy(self, config: Any, epochs: set[int], ending: dict[str, str] | None) -> None:
        try:
            self.copier.copy(config, epochs, ending)
        except Damaged as error:
            with self._changed:
                self._damaged[config.trial_id] = (config, str(error))

    def _restore(self, trial_id: str = "") -> None:
        """Have MLflow hold again what was deleted there meanwhile, as far as journals have it."""
        if deleted := restore(self.tracking, self.ledger.plan, trial_id):
            show(f"{deleted} was deleted in MLflow: it is made anew, with all that the journals hold")
            self._copy_again({*self.ledger.plan.by_id} - self.tracking.run_ids.keys())

    def _review(self) -> None:
        """Ask MLflow how all trials ended: what it does not hold is copied again, or noted as gone.

        Not where a trial is to go on: the next call does it.
        """
        if self._damaged:
            self._reviewed = True
            return
        self._restore()
        found, ends = self.tracking.outcomes(), {i: end["outcome"] for i, end in self.ledger.ends.items()}
        expected = {i: "finished" if outcome == "reused" else outcome for i, outcome in ends.items()}
        lacking = {i for i, outcome in expected.items() if outcome in OUTCOMES and (i, outcome) not in found}
        for trial_id in lacking:
            self.tracking.run_ids.pop(trial_id, None)
        self._copy_again(lacking)
        if lacking:
            raise LookupError(f"{len(lacking)} trials were copied, and are not there")
        self._reviewed = True

    def _copy_again(self, trial_ids: set[str]) -> None:
        """Copy anew all that the journals of these trials hold, and their ends; what was finished may be gone."""
        there = list_folder(self.root)
        for trial_id in trial_ids:
            config, end = self.ledger.plan.by_id[trial_id], self.ledger.ends.get(trial_id)
            journal = Journal(self.root, trial_id)
            ending = (journal.ending or {}) if trial_id in there else {}
            self.copier.forget(trial_id)
            for record in journal.records() if trial_id in there else []:
                self.note(config, record.epoch)
            if end is None or end["outcome"] not in OUTCOMES.keys() | {"reused"}:
                continue
            outcome = "finished" if end["outcome"] == "reused" else end["outcome"]
            if outcome == "finished" and ending.get("outcome") != "complete":
                self.ledger.end(config, "gone", "its run was deleted in MLflow, and no journal has it")
            else:
                self.end(config, outcome, failure=end.get("failure", ""), traceback=ending.get("traceback", ""))

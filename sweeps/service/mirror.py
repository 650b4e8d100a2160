"""How does MLflow come to hold what the journals hold? A thread of the driver copies it, and again while it fails.

The journals are the buffer: a server that is away for an hour loses nothing and holds nothing up. An epoch is copied
once; copied twice (the answer was lost) it is there once, since its time is in the journal.
"""

from __future__ import annotations

import json
import threading
import time
from typing import Any

from specbias.masking import masked
from sweeps.service.journal import Journal
from sweeps.service.ledger import Ledger
from sweeps.service.records import append_records, rows_of
from sweeps.service.tracking import Tracking

BEAT = 30.0  # seconds between signs of life, and the longest between two attempts


class Mirror:
    """Copies the journals of a sweep's trials to their runs; everything else of the driver goes on meanwhile."""

    def __init__(
        self, tracking: Tracking, ledger: Ledger, root: str, *, tags: dict[str, str], records: str | None = None
    ) -> None:
        self.tracking, self.ledger, self.root, self.tags, self.records = tracking, ledger, root, tags, records
        self.error = ""  # why the last attempt failed
        self._noted: dict[str, tuple[Any, set[int]]] = {}  # trial_id -> config, epochs not copied yet
        self._endings: dict[str, dict[str, str]] = {}
        self._copied: dict[str, set[int]] = {}
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

    def close(self, patience: float) -> str:
        """Copy what is left, as long as `patience` seconds never pass without success; return why some is left over."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(min(5, patience))
        if self._thread.is_alive():
            print("bringing MLflow up to date; Ctrl-C ends the waiting, and nothing is lost by that", flush=True)
        left, since = len(self._noted) + 1, time.monotonic()
        while self._thread.is_alive() and time.monotonic() - since < patience:
            self._thread.join(0.2)
            if len(self._noted) < left:
                left, since = len(self._noted), time.monotonic()
        left = len(self._noted)
        return f"{left} trials are not copied yet: {self.error or 'it takes long'}" if left else ""

    def _run(self) -> None:
        beaten, wait = time.monotonic(), 0.5
        while True:
            with self._changed:
                if not self._noted and self._closing:
                    return
                self._changed.wait_for(lambda: self._noted or self._closing, timeout=BEAT)
                trials = list(self._noted)
            copied = []
            for trial_id in trials or [""]:
                copied += [self._attempt(trial_id)] if trial_id else []
                if time.monotonic() - beaten > BEAT:
                    beaten = time.monotonic()
                    copied.append(self._try(self.tracking.beat))
            wait = 0.5 if all(copied) else min(2 * wait, BEAT)
            if not all(copied):
                if wait == 8:  # the fourth time
                    print(f"MLflow takes no records ({self.error}); they are kept, and tried again", flush=True)
                time.sleep(wait)

    def _try(self, function: Any, *arguments: Any) -> bool:
        try:
            function(*arguments)
        except Exception as error:  # whatever it is, it must not end the mirror
            self.error = masked(f"{type(error).__name__}: {error}".splitlines()[0])
            return False
        return True

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
        """Copy these epochs, or all there are if the trial has ended; then its end."""
        journal, known = Journal(self.root, config.trial_id), config.trial_id in self.tracking.run_ids
        run_id = self.tracking.open_trial(config, self.ledger.plan.label(config))
        if config.trial_id not in self._copied:
            self._copied[config.trial_id] = self.tracking.reopen(run_id) if known else set()
        copied = self._copied[config.trial_id]
        if ending is None:
            records = [record for epoch in sorted(epochs - copied) if (record := journal.record(epoch))]
        else:
            records = [record for record in journal.records() if record.epoch not in copied]
        late = epochs - copied - {record.epoch for record in records}
        if late and (ending is None or ending["outcome"] == "finished"):
            raise FileNotFoundError(f"epochs {sorted(late)} of trial {config.trial_id} are not to be seen here yet")
        if records or ending:
            self.tracking.log(run_id, records, journal, self._tags(config, journal))
            copied.update(record.epoch for record in records)
        if ending:
            self._close(config, run_id, journal, ending)

    def _close(self, config: Any, run_id: str, journal: Journal, ending: dict[str, str]) -> None:
        """Give a run its end. What a finished trial leaves is then in MLflow, and its journal not needed any more."""
        finished, plan = ending["outcome"] == "finished", self.ledger.plan
        if finished:
            self.tracking.log_state(run_id, journal)
        self.tracking.end(run_id, **ending)
        if finished and self.records is not None:
            metrics = {record.epoch: record.metrics for record in journal.records()}
            append_records(self.records, rows_of(plan, config, run_id=run_id, search=plan.chosen_by, metrics=metrics))
        if finished and config.trial_id not in plan.teacher_ids.values():
            journal.delete()

    def _tags(self, config: Any, journal: Journal) -> dict[str, str]:
        owner, plan = journal.owner, self.ledger.plan
        tags = self.tags | {"specbias.study": plan.study.name, "specbias.intervention": plan.intervention(config)}
        if (suggestion := journal.suggestion) is not None:
            tags["specbias.suggestion"] = json.dumps(suggestion)
        return tags | owner.get("facts", {}) | {"specbias.attempts": str(owner.get("attempt", 0))}

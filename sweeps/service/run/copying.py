"""How does a trial's journal get into its run in MLflow? Each epoch once, however often it is tried."""

from __future__ import annotations

import json
import tempfile
import threading
from typing import Any

import numpy as np

from specbias.trials.record import Tag
from sweeps.service.keep.journal import Damaged, Journal, Record
from sweeps.service.keep.records import append_records, rows_of
from sweeps.service.keep.retry import first_line
from sweeps.service.keep.tracking import Tracking
from sweeps.service.run.ledger import Ledger
from sweeps.service.screen import show


class Copier:
    """Copies trials to their runs; of several trials at once if need be, but never twice of one."""

    def __init__(
        self, tracking: Tracking, ledger: Ledger, root: str, *, tags: dict[str, str], records: str | None
    ) -> None:
        self.tracking, self.ledger, self.root, self.tags, self.records = tracking, ledger, root, tags, records
        self._copied: dict[str, set[int]] = {}  # trial_id -> epochs that its run has
        self._tagged: dict[str, dict[str, str]] = {}  # trial_id -> tags that its run has
        self._described: set[str] = set()  # trial_ids whose runs have their settings
        self._drawing = threading.Lock()  # matplotlib is for one thread
        self._late: dict[str, set[int]] = {}  # epochs that were noted and are not whole here

    def forget(self, trial_id: str) -> None:
        """Take the trial's run for empty: it was deleted in MLflow."""
        self._copied.pop(trial_id, None)
        self._tagged.pop(trial_id, None)
        self._described.discard(trial_id)

    def copy(self, config: Any, epochs: set[int], ending: dict[str, str] | None) -> None:
        """Copy these epochs, or all there are if the trial has ended; then its end.

        Damaged, and no end, where a finished trial is not whole: when it has gone on, MLflow is asked again.
        """
        epochs = epochs | self._late.get(config.trial_id, set())
        journal, known = Journal(self.root, config.trial_id), config.trial_id in self.tracking.run_ids
        run_id = self._open(config, journal)
        if config.trial_id not in self._copied:
            self._copied[config.trial_id] = self.tracking.reopen(run_id) if known else set()
        if ending is not None and ending["outcome"] == "finished":
            try:
                self._finish(config, run_id, journal, ending)
            except Damaged:
                del self._copied[config.trial_id]
                raise
            return
        records = journal.records() if ending else [record for e in sorted(epochs) if (record := journal.record(e))]
        try:
            self._log(config, run_id, journal, records)
        except Damaged:  # what is not whole is left out
            self._log(config, run_id, journal, [r for r in records if journal.holds(r, "arrays.npz")])
        self._late[config.trial_id] = epochs - self._copied[config.trial_id]  # not to be seen here yet, or damaged
        if ending is not None:
            self.tracking.end(run_id, **ending)

    def _open(self, config: Any, journal: Journal) -> str:
        """Return the trial's run; one that is made here has its tags from the beginning."""
        asked = self.tracking.run_ids.keys() | self.tracking.asked
        tags = {} if config.trial_id in asked else self._tags(config, journal)
        run_id = self.tracking.open_trial(config, self.ledger.plan.label(config), tags)
        if tags:
            self._tagged[config.trial_id] = tags
        return run_id

    def _finish(self, config: Any, run_id: str, journal: Journal, ending: dict[str, str]) -> None:
        """Copy all that a finished trial measured, its last state and its end; Damaged where not all of it is whole.

        Its journal is kept until the sweep is over: MLflow may lose what it holds.
        """
        plan, copied = self.ledger.plan, self._copied[config.trial_id]
        last = journal.last(plan.study.kind.last_epoch(config))
        if last is None:
            raise Damaged("its last measurement is not whole")
        records = [record for epoch in last.epochs if (record := journal.record(epoch))]
        lost = {*last.epochs} - {record.epoch for record in records}
        if lost - copied:
            raise Damaged(f"its measurement of epoch {min(lost - copied)} is not whole")
        self._log(config, run_id, journal, records)
        self.tracking.log_state(run_id, journal, last)
        if (picture := self._draw(config, journal, last)) is not None:
            self.tracking.log_picture(run_id, picture, step=last.epoch)
        self.tracking.end(run_id, **ending)
        if self.records is not None:
            metrics = self.tracking.curve(run_id) if lost else {}
            metrics |= {record.epoch: record.metrics for record in records}
            append_records(self.records, rows_of(plan, config, run_id=run_id, search=plan.chosen_by, metrics=metrics))
        journal.drop_older_states(last)

    def _draw(self, config: Any, journal: Journal, last: Record) -> bytes | None:
        """Return a picture of what a trial measured last; none where its kind draws none, or what it has cannot be."""
        with self._drawing, tempfile.TemporaryDirectory() as folder:
            try:
                with np.load(journal.fetch(last, "arrays.npz", folder)) as arrays:
                    return self.ledger.plan.study.kind.picture(arrays)
            except Damaged:
                raise
            except Exception as error:  # a picture is not worth a trial
                show(f"{self.ledger.plan.label(config)}: no picture of it: {first_line(error)}")
                return None

    def _log(self, config: Any, run_id: str, journal: Journal, records: list[Record]) -> None:
        """Copy those of the records that are not copied yet; Damaged, and none copied, where arrays are not whole."""
        copied = self._copied[config.trial_id]
        new = [record for record in records if record.epoch not in copied]
        settings = {} if config.trial_id in self._described else config.as_record()
        tags, has = self._tags(config, journal), self._tagged.get(config.trial_id, {})
        changed = dict(tags.items() - has.items())
        if new or changed or settings:
            self.tracking.log(run_id, new, journal, tags=changed, settings=settings)
        self._tagged[config.trial_id] = tags
        self._described.add(config.trial_id)
        copied.update(record.epoch for record in records)

    def _tags(self, config: Any, journal: Journal) -> dict[str, str]:
        owner, plan = journal.owner, self.ledger.plan
        tags = self.tags | {Tag.STUDY: plan.study.name, Tag.INTERVENTION: plan.intervention(config)}
        if (suggestion := journal.suggestion) is not None:
            tags[Tag.SUGGESTION] = json.dumps(suggestion)
        return tags | owner.get("facts", {}) | {Tag.ATTEMPTS: str(owner.get("attempt", 0))}

"""Which trials does a search try? The optimiser chooses one at a time, and learns how each ended."""

from __future__ import annotations

from typing import Any

from sweeps.service.ask.plan import Plan, ask_trial
from sweeps.service.keep.journal import Journal
from sweeps.service.keep.storage import list_folder
from sweeps.service.run.optimise import Optimiser, Suggestion
from sweeps.service.study import Curve


class Chooser:
    """The trials of a search, as far as they are chosen: `plan` has them all."""

    def __init__(self, plan: Plan, root: str) -> None:
        assert plan.search is not None
        self.plan, self.root = plan, root
        self.optimiser = Optimiser(
            plan.search.space, sampler=plan.search.sampler, seed=plan.search.seed, objectives=plan.objectives
        )
        self.wanted = plan.search.num_samples
        self.suggestions: dict[str, Suggestion] = {}  # by trial_id

    @property
    def wants_more(self) -> bool:
        return len(self.plan.trials) < self.wanted

    def recall(self, kept: dict[str, Suggestion]) -> None:
        """Take up the trials of earlier calls: those kept, trial_id -> suggestion, and those that journals hold."""
        journals = {trial_id: Journal(self.root, trial_id) for trial_id in list_folder(self.root)}
        found = {i: suggestion for i, journal in journals.items() if (suggestion := journal.suggestion)} | kept
        for suggestion in sorted(found.values(), key=lambda each: each["number"]):
            self.plan = self.plan.with_trial(suggestion["settings"])
            self.optimiser.recall(suggestion)
            self.suggestions[self.plan.trials[-1].trial_id] = suggestion
        self.wanted = max(self.wanted, len(self.plan.trials))  # fewer are asked for than there are

    def choose(self) -> Any | None:
        """Return a new trial, its suggestion in its journal; None, and no more are wanted, where all are tried."""
        asked = ask_trial(self.plan, self.optimiser)
        if asked is None:
            self.wanted = len(self.plan.trials)
            return None
        self.plan, suggestion = asked
        config = self.plan.trials[-1]
        Journal(self.root, config.trial_id).suggest(suggestion)
        self.suggestions[config.trial_id] = suggestion
        return config

    def tell(self, trial_id: str, outcome: str, curve: Curve) -> None:
        """Have the optimiser know how a trial ended."""
        self.optimiser.tell(self.suggestions[trial_id], outcome=outcome, curve=curve)

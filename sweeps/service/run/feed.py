"""What does Ray Tune run, and in what order? The trials of the ledger, in the ledger's order."""

from __future__ import annotations

import logging
import math
import os
import tempfile
from typing import Any

# Ray reads these when it starts: Ctrl-C is handled by us, not in Tune; no banner, no table and no files of its own.
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("TUNE_MAX_PENDING_TRIALS_PG", "16")  # so many wait for resources: a cluster grows by them
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")

from ray import tune  # noqa: E402
from ray.tune.search import Searcher  # noqa: E402

from sweeps.service.ask.options import Options
from sweeps.service.machines.environment import Environment  # noqa: E402
from sweeps.service.machines.provenance import study_sources  # noqa: E402
from sweeps.service.run.ledger import Ledger  # noqa: E402
from sweeps.service.run.progress import Progress  # noqa: E402
from sweeps.service.run.schedulers import EarlyStopping  # noqa: E402
from sweeps.service.run.trainable import run_in_tune  # noqa: E402


class Feed(Searcher):
    """Hands Tune the ledger's next trial, under its settings' own names, whenever there is room for one."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self.ledger = ledger

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune saves it; who goes on with a sweep asks MLflow and the journals

    def set_search_properties(self, metric: Any, mode: Any, config: Any, **spec: Any) -> bool:
        return True

    def suggest(self, trial_id: str) -> Any:
        config = self.ledger.begin_next()
        if config is None:
            over = self.ledger.over and not self.ledger.running  # what runs may have to run again
            return Searcher.FINISHED if over else None
        gpus = self.ledger.gpus.get(config.trial_id, self.ledger.plan.gpus_per_trial)
        return {"trial_id": config.trial_id, "gpus_per_trial": gpus, **config.to_dict()}

    def on_trial_complete(self, trial_id: str, result: dict | None = None, error: bool = False) -> None:
        pass  # Progress hears of it too, and notes it


def run_trials(
    ledger: Ledger,
    progress: Progress,
    scheduler: EarlyStopping,
    options: Options,
    *,
    environment: Environment,
    seconds: float,
) -> None:
    """Run the ledger's trials with Tune until there are no more, or for so many seconds.

    Tune's own files, among them pickles, lie in a folder of this machine that only this user can write, and are deleted
    in the end: they serve nothing, and of the storage that machines share Tune reads nothing. Tuner.fit would gather
    its results from them, and with these load the pickles.
    """
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # failures are told by Progress, in a line
    run = tune.with_parameters(
        run_in_tune,
        study=ledger.plan.study,
        study_code=study_sources(ledger.plan.study),
        any_code=options.accept_changed_code,
        root=progress.mirror.root,
        environment=environment,
        silence=3600 * options.trial_timeout,
    )

    cpus = ledger.plan.cpus_per_trial

    def resources(settings: dict[str, Any]) -> tune.PlacementGroupFactory:
        return tune.PlacementGroupFactory([{"CPU": cpus, "GPU": settings["gpus_per_trial"]}])

    with tempfile.TemporaryDirectory(prefix="specbias-tune-", ignore_cleanup_errors=True) as folder:
        tune.run(
            tune.with_resources(run, resources),
            search_alg=Feed(ledger),
            scheduler=scheduler,
            num_samples=-1,  # until the feed says that there are no more
            time_budget_s=seconds if seconds < math.inf else None,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: f"{trial.config['trial_id']}-{trial.trial_id}",
            name=os.path.basename(folder),
            storage_path=folder,
            callbacks=[progress],
            max_failures=options.max_failures,
            raise_on_failed_trial=False,
            verbose=0,
        )

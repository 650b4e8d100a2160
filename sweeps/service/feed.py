"""What does Ray Tune run, and in what order? The ledger's trials, as it hands them out: the Tuner of one sweep."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

# Ray reads these when it starts: Ctrl-C is handled by us, not in Tune; no banner, no table and no files of its own.
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("TUNE_MAX_PENDING_TRIALS_PG", "16")  # so many wait for resources: a cluster grows by them
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")

from ray import tune  # noqa: E402
from ray.tune.search import Searcher  # noqa: E402

from sweeps.service.ledger import Ledger  # noqa: E402
from sweeps.service.progress import Progress  # noqa: E402
from sweeps.service.schedulers import EarlyStopping  # noqa: E402
from sweeps.service.trainable import run_in_tune  # noqa: E402

if TYPE_CHECKING:
    from sweeps.service.command_line import Options


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


def build_tuner(
    ledger: Ledger,
    progress: Progress,
    scheduler: EarlyStopping,
    options: Options,
    *,
    environment: Mapping[str, str],
    place: str,
) -> tune.Tuner:
    """Return a Tuner that runs the ledger's trials. Its own files, at `place`, serve nothing once it has ended."""
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # failures are told by Progress, in a line
    run = tune.with_parameters(
        run_in_tune,
        study=ledger.plan.study,
        root=progress.mirror.root,
        environment=environment,
        silence=3600 * options.trial_timeout,
    )

    cpus = ledger.plan.cpus_per_trial

    def resources(settings: dict[str, Any]) -> tune.PlacementGroupFactory:
        return tune.PlacementGroupFactory([{"CPU": cpus, "GPU": settings["gpus_per_trial"]}])

    return tune.Tuner(
        tune.with_resources(run, resources),
        tune_config=tune.TuneConfig(
            search_alg=Feed(ledger),
            scheduler=scheduler,
            num_samples=-1,  # until the feed says that there are no more
            time_budget_s=3600 * options.time_budget if options.time_budget else None,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: f"{trial.config['trial_id']}-{trial.trial_id}",
        ),
        run_config=tune.RunConfig(
            name=f"tune-{time.strftime('%Y%m%d-%H%M%S')}",
            storage_path=place,
            callbacks=[progress],
            failure_config=tune.FailureConfig(max_failures=options.max_failures),
            verbose=0,
        ),
    )

"""One driver of several that write into one MLflow server at once: journals and a mirror, as a sweep has them.

  python tests/servers/writer.py URI EXPERIMENT_ID PARENT_ID FOLDER WHICH WRITERS TRIALS EPOCHS

Reports as fast as it can for every WRITERS-th trial from WHICH on, and fails if anything is left over in the end.
"""

import sys

import numpy as np
from mlflow import MlflowClient

from specbias.measurement import Measurement
from sweeps.cifar import STUDY
from sweeps.service.ask.options import Options
from sweeps.service.ask.plan import make_plan
from sweeps.service.keep.journal import Journal
from sweeps.service.keep.tracking import Tracking
from sweeps.service.run.ledger import Ledger
from sweeps.service.run.mirror import Mirror

METRICS = 20
PATIENCE = 120  # seconds that the server may be away


def main() -> None:
    uri, experiment_id, parent_id, folder = sys.argv[1:5]
    which, writers, trials, epochs = map(int, sys.argv[5:])
    seeds = Options(quick=True, interventions="none", seeds=trials, epochs=epochs)
    plan = make_plan(STUDY, seeds, gpus=0)
    tracking = Tracking(MlflowClient(tracking_uri=uri), uri, experiment_id, parent_id, afresh=False)
    mirror = Mirror(tracking, Ledger(plan, {}), folder, tags={"writer": str(which)})
    for config in plan.trials[which::writers]:
        journal = Journal(folder, config.trial_id)
        token = journal.start({})
        for epoch in range(epochs):
            metrics = {f"made/metric_{i:02d}": (config.seed + 1) / (epoch + 1) / (i + 3) for i in range(METRICS)}
            journal.write(token, Measurement(epoch, metrics, {"epoch": np.array(epoch)}), lambda place: None)
            mirror.note(config, epoch)
        journal.end("complete", token=token)
        mirror.end(config, "finished")
    left = mirror.close(PATIENCE)
    if left:
        sys.exit(left)


if __name__ == "__main__":
    main()

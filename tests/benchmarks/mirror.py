"""How fast do reports come from the journals into MLflow, and how large is the driver of a large sweep? No Ray.

  python tests/benchmarks/mirror.py --trials 10000      plan, journals and tracking; an hour on 2 cores
  python tests/benchmarks/mirror.py --smoke

Trials of five reports of 20 metrics each are planned, their journals are written, and then all of them are copied to
MLflow (SQLite) by the mirror alone, as after an hour in which MLflow was away.
"""

import argparse
import resource
import tempfile
import time
from types import SimpleNamespace

from mlflow import MlflowClient
from service import STUDY, Nothing

from sweeps.service.ask.options import Options
from sweeps.service.ask.plan import make_plan
from sweeps.service.keep.journal import COMPLETE, Journal
from sweeps.service.keep.opening import begin, open_sweep
from sweeps.service.machines.provenance import code
from sweeps.service.run.ledger import Ledger
from sweeps.service.run.mirror import Mirror

REPORTS = 5


def write_journal(root, config):
    """Leave what a trial leaves that has ended: five records, and its end."""
    journal = Journal(root, config.trial_id)
    token = journal.start({})
    for epoch in range(1, REPORTS + 1):
        metrics = {f"metric_{i}": epoch / (i + 1) for i in range(20)}
        journal.write(token, SimpleNamespace(step=epoch, metrics=metrics, arrays={}), Nothing().save)
    journal.end(COMPLETE, token=token)


def peak():
    """The most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--trials", type=int, default=100)
    arguments = parser.parse_args()
    trials = 5 if arguments.smoke else arguments.trials
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        numbers = "number=" + ",".join(map(str, range(trials)))
        options = Options(grid=(numbers,), set=(f"epochs={REPORTS}",), gpus_per_trial="0")
        plan = make_plan(STUDY, options, gpus=0)
        print(f"planned: {trials} trials in {time.perf_counter() - started:.1f} s, {peak():.0f} MB", flush=True)
        uri = f"sqlite:///{folder}/mlflow.db"
        with open_sweep(plan, uri=uri, storage_path=f"{folder}/ray") as tracking:
            begin(tracking, plan)
            root = f"{tracking.place}/trials"
            started = time.perf_counter()
            for config in plan.trials:
                write_journal(root, config)
            print(f"written: {trials * REPORTS} reports in {time.perf_counter() - started:.1f} s", flush=True)
            ledger = Ledger(plan, {})
            mirror = Mirror(tracking, ledger, root, tags=code())
            started, used = time.perf_counter(), time.process_time()
            for config in plan.trials:
                for epoch in range(1, REPORTS + 1):
                    mirror.note(config, epoch)
                ledger.end(config, "finished")
                mirror.end(config, "finished")
            trouble = mirror.close(patience=600)
            seconds, used = time.perf_counter() - started, time.process_time() - used
            assert not trouble, trouble
            check(tracking.client, plan, tracking.run_ids)
            rate = f"{trials * REPORTS / seconds:.0f} a second, {used / trials / REPORTS * 1000:.1f} ms of CPU each"
            print(
                f"tracked: {trials * REPORTS} reports in {seconds:.0f} s ({rate}), driver {peak():.0f} MB at most",
                flush=True,
            )


def check(client: MlflowClient, plan, run_ids):
    """Some of the runs hold each report once, and are finished."""
    for config in plan.trials[:: max(1, len(plan.trials) // 50)]:
        run = client.get_run(run_ids[config.trial_id])
        history = client.get_metric_history(run.info.run_id, "metric_3")
        assert [point.step for point in history] == [*range(1, REPORTS + 1)] and run.info.status == "FINISHED"


if __name__ == "__main__":
    main()

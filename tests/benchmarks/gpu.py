"""Does a GPU hold as many trials as --gpus-per-trial auto says? What was foreseen beside what trials then take.

  SPECBIAS_DATA_DIR=DIR python tests/benchmarks/gpu.py      on a machine with a GPU: CIFAR-10, a few minutes
  python tests/benchmarks/gpu.py --smoke                    seconds; without a GPU the rehearsal alone, and it says so

Of each network, at the gpu preset's batch: its rehearsed peak and how many trials share the GPU; then that many
processes at once, each capped to its share, train an epoch and are measured: the most that torch reserved in one of
them (CUDA's context comes on top), and the time of that against one alone. `fits` is no where memory gave out in one.
"""

import argparse
import multiprocessing
import time
from dataclasses import replace

import torch

from specbias.settings.config import TrialConfig
from specbias.training.check import complete_config
from specbias.trials.memory import peak_memory, rehearse
from specbias.trials.trial import run_trial
from sweeps.service.machines.sharing import cap_memory, is_out_of_memory, share_of

NETWORKS = ("small_cnn", "resnet18", "wrn_28_10", "vit")


def foresee(config: TrialConfig) -> tuple[int, int]:
    return peak_memory(config), torch.cuda.mem_get_info()[1]


def run(config: TrialConfig, share: float) -> tuple[float, float]:
    """Return the seconds of a trial and the bytes its process reserved; infinite where memory gave out."""
    try:
        cap_memory(share)
        started = time.monotonic()
        for _ in run_trial(config):
            pass
        return time.monotonic() - started, torch.cuda.max_memory_reserved()
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        return float("inf"), float("inf")


def in_processes(function, arguments: list[tuple]) -> list:
    """Return what the function gives for each of the arguments, in a new process each, all at once."""
    with multiprocessing.get_context("spawn").Pool(len(arguments), maxtasksperchild=1) as pool:
        return pool.starmap(function, arguments, chunksize=1)


def on_gpu(networks: tuple[str, ...], dataset: str) -> None:
    print(f"{'network':10} {'foreseen':>9} {'share':>7} {'at once':>7} {'taken':>9} {'slower':>7}  fits")
    for model in networks:
        config = TrialConfig(dataset=dataset, model=model, epochs=1, measurement_epochs=(1,), device="cuda")
        config = complete_config(replace(config, precision="bf16", measure_precision="float32", measure_batch=2048))
        [(peak, total)] = in_processes(foresee, [(config,)])
        share = share_of(peak, total)
        [(alone, _)] = in_processes(run, [(config, 1.0)])
        found = in_processes(run, [(replace(config, seed=seed), share) for seed in range(int(1 / share))])
        seconds, taken = (max(values) for values in zip(*found, strict=True))
        print(
            f"{model:10} {peak / 1e9:6.2f} GB {share:7.4f} {len(found):7} {taken / 1e9:6.2f} GB {seconds / alone:7.2f}"
            f"  {'no' if seconds == float('inf') else 'yes'}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="seconds, on the digits")
    smoke = parser.parse_args().smoke
    if torch.cuda.is_available():
        print(torch.cuda.get_device_name())
        on_gpu(NETWORKS[:1] if smoke else NETWORKS, "digits" if smoke else "cifar10")
        return
    small = TrialConfig(dataset="digits", model="small_cnn", width=4, batch_size=25, measure_batch=64, probe_pairs=1)
    started = time.monotonic()
    rehearse(complete_config(small))
    print(f"no GPU: a rehearsal on the CPU took {time.monotonic() - started:.1f} s; skipped: memory, shares, trials")


if __name__ == "__main__":
    main()

"""Are means by few paths in float32, and the others in bf16, those of all paths in float32? On networks trained here.

  SPECBIAS_DATA_DIR=DIR python tests/benchmarks/correction.py --keep DIR   CIFAR-10, three networks, an hour
  python tests/benchmarks/correction.py --smoke                            the digits, one small network, seconds

All paths are measured in float32, the truth, and in bf16; then, 1,000 times, other paths are drawn to be the few in
float32 and means are corrected by them, as a measurement does it. A row for each mean, in its standard error in
float32: `bf16`, how far it is off without correction; `mean` and `rms`, with it; `covered`, how many of 100 intervals,
Student's t on the correction and its error, hold the truth; `error`, the standard error reported over float32's. Last
of all how many of the paths were in float32.
"""

from __future__ import annotations

import argparse
import pickle
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats

from specbias.data import load_data
from specbias.measurement import evaluating, probes_of
from specbias.measurement.correction import fewest, in_turn
from specbias.measurement.frequency import KINDS, in_one_precision
from specbias.measurement.generalization import evaluate
from specbias.measurement.path_values import (
    REPORTED,
    PathValues,
    Summary,
    in_both,
    needed_in_float32,
    summarise,
)
from specbias.measurement.paths import Predict
from specbias.settings.config import TrialConfig
from specbias.training.check import complete_config
from specbias.trials.trial import new_model, run_trial

TRAINED = {"learning_rate": 0.05, "warmup": 0.2, "train_size": 15_000, "epochs": 5}
NETWORKS = [{"model": "small_cnn"}, {"model": "resnet18", "width": 16}, {"model": "resnet20"}]
LAYERS = ("none", "ends")  # in float32, of a network in bf16
Values = dict[tuple[str, str], dict[str, PathValues]]  # by precision and layers in float32, and by kind


def values_of(config: TrialConfig, folder: Path) -> Values:
    """Train the network, measure all its paths in both precisions, and keep all that in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "weights.pt").exists():
        for state, _ in run_trial(replace(config, probe_pairs=0, measurement_epochs=(config.epochs,))):
            state.save(folder)
    kept = folder / "values.pkl"
    if kept.exists():
        return pickle.loads(kept.read_bytes())
    data = load_data(config)
    model = new_model(config, data).eval().to(memory_format=torch.channels_last)
    model.load_state_dict(torch.load(folder / "weights.pt", weights_only=True)["model"])
    probes, found = probes_of(config, data), {}
    with evaluating(model, "cpu", "float32") as exactly:
        correct = evaluate(exactly, data.test, data, batch_size=256).correct
        print(f"{config.model}: test accuracy {correct.double().mean():.3f}", flush=True)

        def all_paths(predict: Predict, **more: Any) -> dict[str, PathValues]:
            how = {"correct": correct, "batch_size": 256} | more
            return {kind: in_one_precision(predict, data, probes, getattr(probes, kind), **how) for kind in KINDS}

        found["float32", "none"] = all_paths(exactly)
        for layers in LAYERS:
            with evaluating(model, "cpu", "bf16", float32_layers=layers) as predict:
                found["bf16", layers] = all_paths(predict, deciding=exactly)
    kept.write_bytes(pickle.dumps(found))
    return found


def at(values: PathValues, rows: np.ndarray) -> PathValues:
    """Return what was found on the paths at `rows`."""
    scalars, spectra = (
        {name: each[rows] for name, each in found.items()} for found in (values.scalars, values.spectra)
    )
    return replace(values, pairs=values.pairs.take(torch.from_numpy(rows)), scalars=scalars, spectra=spectra)


def drawn(rounded: PathValues, exact: PathValues, seed: int) -> PathValues:
    """Return a measurement as measure_pairs makes it, with other paths in float32."""
    turn = in_turn(rounded.pairs, seed)
    few = turn[: fewest(len(turn))]
    few = turn[: max(len(few), needed_in_float32(rounded, at(exact, few), few))]
    return in_both(rounded, at(exact, few), few)


def means_of(values: PathValues) -> dict[str, tuple]:
    """Return of every mean what it is, its standard error, and the error of the correction."""

    def rows(summary: Summary, names: tuple[str, ...], suffix: str = "") -> dict[str, tuple]:
        there = [name for name in names if name in summary.means]
        return {
            name + suffix: (
                summary.means[name],
                summary.standard_errors[name],
                summary.corrections.get(name, (0, 0))[1],
            )
            for name in there
        }

    every = summarise(values)
    others = tuple(name for name in every.means if name != "high_frequency_share" and name not in REPORTED)
    ends = rows(summarise(values, values.ends_correct), ("high_frequency_share",), ", ends correct")
    return rows(every, ("high_frequency_share", *REPORTED)) | ends | rows(every, others, " (not a metric)")


def table(rounded: PathValues, exact: PathValues, draws: int) -> None:
    truth, before, paths = means_of(exact), means_of(rounded), len(exact.pairs)
    found: dict[str, list[tuple]] = {name: [] for name in truth}
    counts = []
    for seed in range(draws):
        values = drawn(rounded, exact, seed)
        counts.append(int((values.half.stands_for > 0).sum()))
        for name, row in means_of(values).items():
            found[name].append((*row, stats.t.ppf(0.975, counts[-1] - 1)))
    for name, (mean, error, _) in truth.items():
        means, errors, of_corrections, wide = np.array(found[name]).T
        away = (means - mean) / error
        covered = np.mean(np.abs(means - mean) <= wide * of_corrections + 1e-12)
        print(
            f"  {name:36} bf16 {(before[name][0] - mean) / error:+6.2f}  mean {away.mean():+.3f}  "
            f"rms {np.sqrt(np.mean(away**2)):.2f}  covered {100 * covered:4.1f}  error {np.mean(errors) / error:.2f}"
        )
    few, most = np.percentile(counts, (5, 95))
    print(f"  in float32: {np.mean(counts):.0f} of {paths} paths, {few:.0f} to {most:.0f} in 9 of 10 draws", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="seconds, on the digits")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="where networks and their values stay")
    parser.add_argument("--pairs", type=int, default=20, metavar="N", help="paths per class and pair of classes (20)")
    parser.add_argument("--draws", type=int, default=1000, metavar="N", help="other paths in float32, so often (1000)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    networks: list[dict] = NETWORKS
    common = TRAINED | {"probe_pairs": options.pairs}
    if options.smoke:
        networks = [{"model": "small_cnn", "width": 4}]
        common = {"dataset": "digits", "epochs": 1, "batch_size": 50, "probe_pairs": 3, "train_size": None}
    with tempfile.TemporaryDirectory() as temporary:
        for network in networks:
            config = complete_config(TrialConfig(**common | network))
            values = values_of(config, (options.keep or Path(temporary)) / network["model"])
            for layers in LAYERS:
                for kind in KINDS:
                    print(f"\n{network['model']}, {kind}, layers in float32: {layers}")
                    draws = 20 if options.smoke else options.draws
                    table(values["bf16", layers][kind], values["float32", "none"][kind], draws)


if __name__ == "__main__":
    main()

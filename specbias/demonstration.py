"""All of it in some ten seconds: a small network learns digits, no download, and is measured early and late."""

from __future__ import annotations

from typing import NamedTuple

from specbias.results import Result

EPOCHS = (1, 8)


class Demonstration(NamedTuple):
    """One network, measured early in its training and at its end."""

    early: Result
    late: Result


def demo(*, quiet: bool = False) -> Demonstration:
    """Train a small network on scikit-learn's digits, measure it after 1 epoch and after 8, and return both results.

    It says what it does, and what to look at next, unless `quiet`. Ten seconds on one core.

    >>> import specbias
    >>> early, late = specbias.demo(quiet=True)
    >>> late.record["accuracy"] > early.record["accuracy"]
    True
    """
    from specbias.measuring import measure
    from specbias.settings.config import TrialConfig
    from specbias.trials.trial import run_trial

    config = TrialConfig(
        dataset="digits",
        model="small_cnn",
        width=8,
        epochs=EPOCHS[1],
        batch_size=25,
        measurement_epochs=EPOCHS,
        probe_pairs=0,
    )
    found = []
    for state, _ in run_trial(config):
        found.append(measure(state.model, "digits", pairs=3, name=f"epoch {state.epoch}", quiet=True))
        if not quiet:
            print(f"after epoch {state.epoch}:\n{found[-1]}\n")
    if not quiet:
        print(NEXT)
    return Demonstration(*found)


NEXT = """early, late = specbias.demo() gives both results. Then:
  specbias.compare(early, late)      what has changed, on the same paths
  late.plot().savefig("late.png")    the picture; in a notebook, `late` shows it
  late.plot_paths()                  the images along six paths, and what the network says of them
  late.save("folder")                all of it, for specbias.load("folder")"""

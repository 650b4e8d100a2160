"""Do networks learn low frequencies first? The figures and claims of "On the Spectral Bias of Neural Networks".

For one sweep of a study on targets of known frequency, it makes the figures of Rahaman et al. (ICML 2019). For each
claim it prints the number with its 95% interval over runs, and whether the claim held.

  python analysis/synthetic.py --experiment sinusoids-quick
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.tables.options import Options, read_options

if TYPE_CHECKING:
    from analysis.findings import Findings
    from analysis.studies.trial import Trial
    from analysis.tables.table import Records


def synthetic(records: Records) -> Findings:
    """Return what the analysis of the records' study finds; RecordError where there is none."""
    from analysis.inference.claim import RULE
    from analysis.studies import STUDIES
    from analysis.tables.arrays import note_on_missing
    from analysis.tables.table import RecordError
    from specbias.settings.registry import load

    if records.study not in STUDIES:
        known = ", ".join(STUDIES)
        raise RecordError(f"{records.source!r} is a sweep of {records.study!r}; this analyses: {known}")
    trials = load_trials(records)
    found: Findings = load(STUDIES[records.study])(trials)
    runs = len({trial.settings.get("seed") for trial in trials})
    caption = (
        f"{len(trials)} trials of {records.study}, {runs} seeds; bands: one standard deviation over a trial's runs."
    )
    found.captions |= dict.fromkeys(found.figures, caption)
    found.notes += note_on_missing(records, len(trials))
    found.numbers = {"numbers": found.numbers}
    if found.claims:
        found.notes.append(f"95% bootstrap intervals over runs. {RULE}: see analysis/studies/__init__.py")
    return found


def load_trials(records: Records) -> list[Trial]:
    """Return the sweep's trials in its order, each with its settings and the arrays of its last measurement."""
    from analysis.studies.trial import Trial
    from analysis.tables.arrays import last_arrays

    return [Trial(row["label"], row[records.settings].to_dict(), arrays) for row, arrays in last_arrays(records)]


def main() -> None:
    """Print claims and tables, save figures and numbers, and attach them to the sweep's parent run."""
    options = read_options(Options, __doc__)
    from analysis.findings import publish  # pandas, matplotlib and mlflow only past --help

    publish("synthetic", synthetic, options)


if __name__ == "__main__":
    main()

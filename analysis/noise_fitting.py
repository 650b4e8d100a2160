"""Which waves on the labels does a network fit, when, and how do interventions change that?

Noise fitting of "Spectral Bias in Practice" (2021) is the clean minus the noisy test loss. Its minimum over training is
compared with that of the uniform control. The script makes figure 1 of the paper, the minimum by frequency, and a table
of settings and waves. It judges the claims of the first version's abstract: low frequencies are fitted first, larger
networks fit more, regularised networks less.

  python analysis/noise_fitting.py --experiment label_noise-quick
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.tables.options import Options, read_options

if TYPE_CHECKING:
    import pandas as pd

    from analysis.figures.noise_fitting import Curve, Panel
    from analysis.findings import Findings
    from analysis.tables.table import Records
    from analysis.tables.waves import Group, Wave


def noise_fitting(records: Records) -> Findings:
    """Return the table of settings and waves, the claims, and both figures."""
    from analysis.figures.noise_fitting import by_epoch_figure, by_wave_figure
    from analysis.findings import Findings
    from analysis.questions.noise_claims import VERDICTS, noise_claims
    from analysis.tables.conditions import data_and_model
    from analysis.tables.waves import UNIFORM, noise_groups

    records.refuse_selected()
    groups, notes = noise_groups(records)
    claims, undecided = noise_claims(groups)
    rows = table_rows(groups)
    found = Findings(claims=claims, notes=notes + seed_notes(groups) + undecided, tables=[as_text(rows)])
    found.notes += [VERDICTS] if claims else []
    found.numbers["table"] = rows
    place = f"{data_and_model(records)}, strength {', '.join(f'{s:g}' for s in _strengths(groups))}"
    if panels := epoch_panels(records, groups):
        found.figures["noise_fitting"] = by_epoch_figure(panels, control=str(UNIFORM))
        found.captions["noise_fitting"] = (
            f"{groups[0].setting}; {place}; {counts(groups[:1])}. {_drawn('Lines', groups)} Noise fitting: clean less "
            "noisy test loss; a point and a grey line at the minimum of each line."
        )
    else:
        found.notes.append("no figure by epoch: the trials have no losses by epoch")
    if panels := wave_panels(groups):
        found.figures["noise_frequency"] = by_wave_figure(panels, legend="setting", columns=4 if len(panels) > 8 else 2)
        found.captions["noise_frequency"] = (
            f"{place}; {counts(groups)}. Minimum over training, and normalised fit at the last epoch (0: the best "
            f"constant smoothing, 1: the wave). {_drawn('Points', groups)}"
        )
    else:
        found.notes.append("no figure by frequency: there is no wave beside the control")
    return found


def table_rows(groups: list[Group]) -> list[dict]:
    """Return a row per setting and wave: seeds, minimum, its epoch, fit at the end, and the minimum less the control.

    The difference is that of trials of the same seed, its 95% interval a bootstrap over these (None below 5).
    """
    import numpy as np

    from analysis.inference.resampling import runs_interval
    from analysis.tables.waves import UNIFORM

    rows = []
    for group in groups:
        for wave in group.waves:
            less = group.less_control(wave).to_numpy() if wave != UNIFORM else np.zeros(0)
            rows.append(
                {
                    "strength": group.strength,
                    "setting": group.setting,
                    "wave": str(wave),
                    "seeds": len(group.by_seed(wave)),
                    "minimum": group.by_seed(wave).mean(),
                    "epoch": group.by_seed(wave, "minimum_epoch").mean(),
                    "normalised": group.by_seed(wave, "normalised").mean(),
                    "less_control": less.mean() if len(less) else float("nan"),
                    "interval": runs_interval(np.mean, less) if len(less) else None,
                    "pairs": len(less),
                }
            )
    return rows


def as_text(rows: list[dict]) -> str:
    """Return the rows as a table for people, those of one strength and setting together."""
    width = max(len(row["wave"]) for row in rows)
    head = (
        f"  {'wave':{width}}  {'seeds':>5}  {'minimum':>8}  {'at epoch':>8}  {'fit at end':>10}  {'less control':>12}"
    )
    lines = [f"{head}  95% interval", "  (nats; fit at the end, 0: constant smoothing, 1: the wave)"]
    before = None
    for row in rows:
        if (group := (row["strength"], row["setting"])) != before:
            lines += ["", f"strength {row['strength']:g}, {row['setting']}"]
        before = group
        interval = row["interval"]
        cells = (
            f"{row['wave']:{width}}",
            f"{row['seeds']:5}",
            _number(row["minimum"], 8),
            _number(row["epoch"], 8, ".1f"),
            _number(row["normalised"], 10, ".2f"),
            _number(row["less_control"], 12, "+.3f"),
            "" if interval is None else f"[{interval[0]:+.3f}, {interval[1]:+.3f}]",
        )
        lines.append("  " + "  ".join(cells).rstrip())
    return "\n".join(lines)


def _number(value: float, width: int, how: str = ".3f") -> str:
    return f"{'-' if value != value else format(value, how):>{width}}"


def seed_notes(groups: list[Group]) -> list[str]:
    """Return the notes on seeds and controls."""
    from analysis.inference.resampling import FEWEST
    from analysis.tables.waves import UNIFORM

    notes = ["less control: the minimum less that of the uniform control of the same strength, setting and seed"]
    fewest, _ = _seeds(groups)
    if fewest < FEWEST:
        notes.append(f"{fewest} seed{'s'[: fewest > 1]} where fewest: no interval is given for fewer than {FEWEST}")
    without = [group.name for group in groups if UNIFORM not in group.waves]
    return notes + ([f"no uniform control, so no difference to it: {'; '.join(without)}"] if without else [])


def epoch_panels(records: Records, groups: list[Group]) -> list[Panel]:
    """Return four panels, losses and noise fitting by epoch, for each strength and each thing that waves run along.

    Of the strength's first setting, the baseline's. Empty where a metric is missing from all trials. A curve has the
    epochs that all its seeds were measured at.
    """
    import pandas as pd

    from analysis.figures.noise_fitting import CURVES, Panel
    from analysis.tables.waves import UNIFORM, VALUE

    if any(name not in records.table or records.table[name].isna().all() for name in CURVES):
        return []
    panels = []
    for strength in _strengths(groups):
        group = next(each for each in groups if each.strength == strength)
        tables = {
            wave: records.table[records.table["trial_id"].isin(_ids(group, wave))].set_index(["epoch", "trial_id"])
            for wave in group.waves
        }
        for place in dict.fromkeys(wave.place for wave in group.waves if wave != UNIFORM) or [UNIFORM.place]:
            for name in CURVES:
                some = {
                    w: pd.DataFrame(t[name].unstack()).dropna()
                    for w, t in tables.items()
                    if w == UNIFORM or w.place == place
                }
                curves = [_curve(UNIFORM.place if w == UNIFORM else f"{w.frequency:g}", t) for w, t in some.items()]
                title = _title(place, strength, groups) if name == CURVES[0] else ""
                panels.append(Panel(title, "epoch", name, curves, "" if name == VALUE else "y"))
    return panels


def _title(place: str, strength: float, groups: list[Group]) -> str:
    return f"{place}, strength {strength:g}" if len(_strengths(groups)) > 1 else place


def wave_panels(groups: list[Group]) -> list[Panel]:
    """Return two panels, minimum and fit at the end, for each strength and each thing that waves run along."""
    import pandas as pd

    from analysis.figures.noise_fitting import Panel
    from analysis.tables.waves import UNIFORM

    panels = []
    for strength in _strengths(groups):
        alike = [group for group in groups if group.strength == strength]
        waves = sorted({wave for group in alike for wave in group.waves} - {UNIFORM}, key=lambda w: w.order)
        for place in dict.fromkeys(wave.place for wave in waves):
            for column, name in (("minimum", "noise_fitting/min"), ("normalised", "noise_fitting/normalised")):
                curves = []
                for group in alike:
                    tried = [wave for wave in group.waves if wave.place == place]
                    values = pd.DataFrame({w.frequency: group.by_seed(w, column) for w in tried}).T.dropna(how="all")
                    level = group.by_seed(UNIFORM).mean()
                    control = None if pd.isna(level) or column != "minimum" else float(level)
                    curves += [_curve(group.setting, values, control)] if len(values) else []
                constant = 0.0 if column == "normalised" else None
                log = "x" if len({x for curve in curves for x in curve.x}) > 1 else ""
                title = _title(place, strength, groups)
                panels += [Panel(title, "noise_frequency", name, curves, log, constant)] if curves else []
    return panels


def _curve(label: str, values: pd.DataFrame, control: float | None = None) -> Curve:
    """Return the curve of values (points x seeds) at their index."""
    from analysis.figures.noise_fitting import Curve, mean_and_spread

    return Curve(label, values.index.to_numpy(float), *mean_and_spread(values), control)


def _ids(group: Group, wave: Wave) -> list[str]:
    return list(group.rows["trial_id"][[each == wave for each in group.rows["wave"]]])


def _strengths(groups: list[Group]) -> list[float]:
    return list(dict.fromkeys(group.strength for group in groups))


def counts(groups: list[Group]) -> str:
    """Return how many trials there are, for a caption."""
    trials = sum(len(group.rows) for group in groups)
    least, most = _seeds(groups)
    return f"{trials} trials, {least if least == most else f'{least} to {most}'} per wave and setting"


def _drawn(what: str, groups: list[Group]) -> str:
    return (
        f"{what}: mean over seeds, dotted outlines: standard deviation over seeds."
        if _seeds(groups)[1] > 1
        else "One seed."
    )


def _seeds(groups: list[Group]) -> tuple[int, int]:
    numbers = [len(group.by_seed(wave)) for group in groups for wave in group.waves]
    return min(numbers), max(numbers)


def main() -> None:
    """Print the table and claims, save the figures and their numbers, and attach them to the sweep's parent run."""
    options = read_options(Options, __doc__)
    from analysis.findings import publish  # pandas, matplotlib and mlflow only past --help

    publish("noise_fitting", noise_fitting, options)


if __name__ == "__main__":
    main()

"""Does the number of oscillations over the data explain which waves along Fourier images are fitted?

Function frequency against image frequency, claim 4 of "Spectral Bias in Practice" (NeurIPS 2022). It relates the
minimum noise fitting of waves along Fourier images to the image's spatial frequency, and to the wave's frequency times
the standard deviation of the images along it. Natural images vary little along high spatial frequencies, so waves of
equal frequency oscillate less often there. A wave with far less than one oscillation is flat, like the uniform control.

  python analysis/image_frequency.py --experiment label_noise-paper
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.tables.options import Options, read_options

if TYPE_CHECKING:
    import pandas as pd

    from analysis.figures.noise_fitting import Panel
    from analysis.findings import Findings
    from analysis.inference import Association, PartialCorrelation
    from analysis.tables.table import Records
    from analysis.tables.waves import Group

FEWEST = 5  # waves: of fewer a rank correlation has no interval, nor has one at equal something else
GAIN = "|cycles| - |spatial|"


def image_frequency(records: Records) -> Findings:
    """Return the waves, the rank correlations per setting, and the figure."""
    from analysis.figures.noise_fitting import by_wave_figure
    from analysis.findings import Findings
    from analysis.tables.conditions import data_and_model
    from analysis.tables.table import RecordError
    from analysis.tables.waves import noise_groups

    records.refuse_selected()
    groups, notes = noise_groups(records)
    tables = [(group, table) for group in groups if len(table := wave_table(group))]
    if not tables:
        raise RecordError(f"no trial of {records.source} has a wave along a Fourier image (noise_type fourier, f, 1/f)")
    rows = [row for group, table in tables for row in correlations(group, table)]
    found = Findings(
        careful=[*notes, *_notes(tables)], answers=_answers(rows), tables=[_waves_text(tables), as_text(rows)]
    )
    panels = [panel for group, table in tables for panel in panels_of(group, table)]
    found.figures["image_frequency"] = by_wave_figure(
        panels,
        legend="noise frequency\n(cycles per unit of L2)",
        columns=2 if len(panels) == 2 * len(tables) else 1,
        ordered=True,
    )
    trials = sum(int(table["seeds"].sum()) for _, table in tables)
    found.captions["image_frequency"] = (
        f"{data_and_model(records)}; {trials} trials with such waves. Points: mean over seeds"
        + (
            ", dotted outlines: standard deviation over seeds"
            if max(table["seeds"].max() for _, table in tables) > 1
            else ""
        )
        + ". Fourier images are diagonal: the spatial frequency drawn is the one made of that asked for."
    )
    found.numbers |= {"waves": [t.assign(strength=g.strength, setting=g.setting) for g, t in tables], "orders": rows}
    return found


def wave_table(group: Group) -> pd.DataFrame:
    """Return a row per wave along a Fourier image: what it is, its seeds, minimum and difference to the control."""
    import pandas as pd

    rows = []
    for wave in filter(_along, group.waves):
        minimum = group.by_seed(wave)
        rows.append(
            {
                "wave": str(wave),
                "kind": wave.kind,
                "frequency": wave.frequency,
                "spatial": made_of(wave.along) if wave.kind == "fourier" else float("nan"),
                "cycles": group.by_seed(wave, "cycles").mean(),
                "seeds": len(minimum),
                "minimum": minimum.mean(),
                "spread": minimum.std(ddof=1),
                "less_control": group.less_control(wave).mean(),
            }
        )
    return pd.DataFrame(rows)


def made_of(spatial_frequency: float) -> float:
    """Return the spatial frequency of the image made: diagonal, with whole cycles on either axis, rounded down."""
    return 2**0.5 * int(spatial_frequency / 2**0.5)


def correlations(group: Group, table: pd.DataFrame) -> list[dict]:
    """Return rank correlations of the difference to the control, over all waves and over those of one frequency.

    With spatial frequency, with the number of cycles, with each given the other (partial), and how much stronger the
    second is than the first, each with its 95% interval over waves. Only waves along one spatial frequency count. Where
    there are fewer than 5, or the control is missing, the row has their number only.
    """
    from analysis.inference.rows import setting_text

    waves = table[table["spatial"].notna() & table["less_control"].notna()]
    with_cycles = bool(waves["cycles"].notna().all())
    parts = {"all frequencies": waves}
    if waves["frequency"].nunique() > 1:
        parts |= {f"frequency {setting_text(frequency)}": part for frequency, part in waves.groupby("frequency")}
    rows, of = [], {"strength": group.strength, "setting": group.setting}
    for name, part in parts.items():
        orders = _orders(part, with_cycles and part is waves) if len(part) >= FEWEST else None
        rows.append(of | {"waves": name, "n": len(part), "orders": orders})
    return rows


def _answers(rows: list[dict]) -> list[str]:
    """Return in words how the difference to the control goes with either frequency, over all waves of a group."""
    said = []
    for row in rows:
        orders = (row["orders"] or {}) if row["waves"] == "all frequencies" else {}
        for name, what in (("spatial", "spatial frequency"), ("cycles", "the number of cycles")):
            if name in orders:
                value, (low, high) = orders[name].statistic, orders[name].interval
                verdict = "it rises" if low > 0 else "it falls" if high < 0 else "cannot tell"
                of = f"{row['setting']}, strength {row['strength']:g}: the minimum less the control's with {what}"
                said.append(f"{of}: {verdict} (Spearman {value:+.2f} [{low:+.2f}, {high:+.2f}], n {row['n']})")
    return said


def _orders(waves: pd.DataFrame, with_cycles: bool) -> dict[str, Association | PartialCorrelation]:
    """Return the correlations of these waves, 5 at least; a difference that all resamples share has no interval."""
    from analysis.inference import cluster_bootstrap, partial_correlation, spearman
    from analysis.inference.learning_time import rank_correlation

    def gain(table: pd.DataFrame) -> float:
        spatial, cycles = (abs(rank_correlation(table[name], table[target])) for name in ("spatial", "cycles"))
        return cycles - spatial

    target = "less_control"
    found: dict[str, Association | PartialCorrelation] = {"spatial": spearman(waves["spatial"], waves[target])}
    if not with_cycles:
        return found
    found["cycles"] = alone = spearman(waves["cycles"], waves[target])
    for key, measure, other in (("spatial | cycles", "spatial", "cycles"), ("cycles | spatial", "cycles", "spatial")):
        found[key] = partial_correlation(waves, measure=measure, target=target, given=[other])
    low, high = cluster_bootstrap(gain, waves, resamples=1000)
    ends, note = (low, high), "no interval: undefined in more than 1 of 100 resamples" if low != low else ""
    if high - low <= 1e-9:
        ends, note = (float("nan"), float("nan")), "no interval: all resamples agree"
    found[GAIN] = alone._replace(
        statistic=gain(waves), interval=ends, convention="a difference of sizes", note=note, p=float("nan")
    )
    return found


def as_text(rows: list[dict]) -> str:
    """Return the correlations as a table for people, and which of the two orders better."""
    from analysis.inference.rows import setting_text

    lines = [
        "Spearman's correlation with the target, minimum less control, and its 95% interval over waves",
        f"('a | b': of measure a, at equal b; {GAIN}: above 0, the number of cycles orders the waves better)",
    ]
    before = ""
    for row in rows:
        if (group := f"strength {setting_text(row['strength'])}, {row['setting']}") != before:
            lines += ["", before := group]
        if row["orders"] is None:
            lines.append(f"  {row['waves']:20} n = {row['n']}: too few waves with a control ({FEWEST} needed)")
        for key, found in (row["orders"] or {}).items():
            lines.append(f"  {row['waves']:20} n = {row['n']:<3} {key:20} {_result_text(found)}")
    return "\n".join(lines)


def _result_text(found: Association | PartialCorrelation) -> str:
    if found.statistic != found.statistic:
        return f"undefined: {found.note or 'a constant'}"
    low, high = found.interval
    ends = "" if low != low else f" [{low:+.2f}, {high:+.2f}]"
    return f"{found.statistic:+.2f}{ends}" + (f" ({found.note})" if found.note else "")


def _waves_text(tables: list[tuple[Group, pd.DataFrame]]) -> str:
    lines = []
    for group, table in tables:
        width = max(map(len, table["wave"]))
        lines += [
            group.name,
            f"  {'wave':{width}}  {'made':>5}  {'cycles/std':>10}  {'seeds':>5}  {'minimum':>8}  {'less control':>12}",
        ]
        for _, row in table.iterrows():
            cells = zip(("spatial", "cycles"), (5, 10), (".1f", ".3g"), strict=True)
            first = "  ".join(_number(row[key], size, how) for key, size, how in cells)
            last = f"{row['seeds']:5}  {row['minimum']:8.3f}  {_number(row['less_control'], 12, '+.3f')}"
            lines.append(f"  {row['wave']:{width}}  {first}  {last}")
        lines.append("")
    return "\n".join(lines[:-1])


def _number(value: float, width: int, how: str) -> str:
    return f"{'-' if value != value else format(value, how):>{width}}"


def _notes(tables: list[tuple[Group, pd.DataFrame]]) -> list[str]:
    notes = ["a rank correlation sees only what rises, or falls, throughout: look at the figure too"]
    if any(table["frequency"].nunique() == 1 for _, table in tables):
        notes.append("at one noise frequency cycles fall as spatial frequency rises: only several tell the two apart")
    if unknown := sum(int(table["cycles"].isna().sum()) for _, table in tables):
        notes.append(f"{unknown} waves have no noise_fitting/frequency_times_std: no order by cycles with them")
    doubled = {
        f"{frequency:g}"
        for _, table in tables
        for (frequency, _), part in table[table["spatial"].notna()].groupby(["frequency", "spatial"])
        if len(part) > 1
    }
    if doubled:
        notes.append(f"at noise frequency {', '.join(sorted(doubled))}, several spatial frequencies made the same wave")
    return notes


def panels_of(group: Group, table: pd.DataFrame) -> list[Panel]:
    """Return the panels of one setting: by spatial frequency and, where it is known, by cycles."""
    from analysis.figures.noise_fitting import Curve, Panel
    from analysis.tables.waves import CYCLES, MINIMUM, UNIFORM

    level = group.by_seed(UNIFORM).mean()
    control = float(level) if level == level else None
    panels = []
    for column, name, log in (("spatial", "noise_spatial_frequency", ""), ("cycles", CYCLES, "x")):
        curves = []
        for frequency, part in table.groupby("frequency"):
            for kind, rows in part.groupby("kind", sort=False):
                label = f"{frequency:g}" if kind == "fourier" else f"{frequency:g}, image {kind}"
                rows = rows.sort_values(column)
                x, y = rows[column].to_numpy(float), rows["minimum"].to_numpy(float)
                spread = rows["spread"].to_numpy(float) if (rows["seeds"] > 1).all() else None
                curves.append(Curve(label, x, y, spread, control))
        if column == "spatial" or table["cycles"].notna().all():
            panels.append(Panel(group.name, name, MINIMUM, curves, log))
    return panels


def _along(wave: object) -> bool:
    return getattr(wave, "kind", "") in ("fourier", "f", "1/f")


def main() -> None:
    """Print waves and correlations, save the figure and its numbers, and attach them to the sweep's parent run."""
    options = read_options(Options, __doc__)
    from analysis.findings import publish  # pandas, matplotlib and mlflow only past --help

    publish("image_frequency", image_frequency, options)


if __name__ == "__main__":
    main()

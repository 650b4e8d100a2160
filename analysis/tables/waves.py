"""Which wave was on a trial's labels, and how far was it fitted? A row per trial of a sweep with label noise."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from analysis.inference.rows import equate, setting_text
from analysis.tables.conditions import Changes, changes, seeds_of, setting_name
from analysis.tables.table import RecordError, Records

VALUE, MINIMUM, NORMALISED, CYCLES = (
    f"noise_fitting/{name}" for name in ("value", "min", "normalised", "frequency_times_std")
)
CONTROL = "uniform"  # the same smoothing without a wave
NEEDED = ("label_noise", "noise_type", "noise_frequency")
KINDS = (CONTROL, "radial", "random", "fourier", "f", "1/f")  # in the order of tables and panels
OF_THE_WAVE = (*NEEDED, "noise_spatial_frequency", "noise_seed")  # not of the setting it is tried under


class Wave(NamedTuple):
    """What was added to the labels."""

    kind: str  # noise_type
    along: float  # spatial frequency as it was asked for (fourier), the direction's seed (random), else 0
    frequency: float  # cycles per unit of L2 distance; the control has none, 0

    @property
    def place(self) -> str:
        """What the wave runs along, for people."""
        named = {"fourier": "spatial frequency", "random": "direction"}.get(self.kind)
        return f"{self.kind}, {named} {setting_text(self.along)}" if named else self.kind

    @property
    def order(self) -> tuple[int, str, float, float]:
        """What waves are sorted by: their kind, the control first, what they run along, their frequency."""
        return KINDS.index(self.kind) if self.kind in KINDS else len(KINDS), *self

    def __str__(self) -> str:
        return self.place if self.kind == CONTROL else f"{self.place}: {setting_text(self.frequency)}"


UNIFORM = Wave(CONTROL, 0.0, 0.0)


class Group(NamedTuple):
    """The trials of one setting at one strength: only these are compared wave by wave."""

    strength: float
    setting: str
    changed: Changes  # from the baseline
    rows: pd.DataFrame  # trial_id, wave, seed, minimum, minimum_epoch, normalised, cycles, last_epoch

    @property
    def name(self) -> str:
        """What the trials have in common, for people."""
        return f"strength {setting_text(self.strength)}, {self.setting}"

    @property
    def waves(self) -> list[Wave]:
        """The waves tried, the control first."""
        return sorted(set(self.rows["wave"]), key=lambda wave: wave.order)

    def by_seed(self, wave: Wave, column: str = "minimum") -> pd.Series:
        """Return a column's values of a wave's trials by seed; empty where it was not tried."""
        rows = self.rows[[each == wave for each in self.rows["wave"]]]
        return rows.set_index("seed")[column].astype(float)

    def less_control(self, wave: Wave) -> pd.Series:
        """Return the minimum less the control's of the same seed, by seed; empty where there is no such control."""
        return (self.by_seed(wave) - self.by_seed(UNIFORM)).dropna()


def noise_groups(records: Records) -> tuple[list[Group], list[str]]:
    """Return the trials with label noise by strength and setting, the baseline first, and what was left out.

    RecordError if the trials have no noise fitting, or no settings of the wave.
    """
    records.need(MINIMUM)
    needed = list(NEEDED)
    if "noise_type" in records.table and (records.table["noise_type"] == "fourier").any():
        needed.append("noise_spatial_frequency")
    if missing := [name for name in needed if name not in records.table]:
        raise RecordError(
            f"the trials of {records.source} have no setting {', '.join(missing)}, so that their waves are unknown"
        )
    rows, notes = _rows(records)
    changed = changes(records, without=OF_THE_WAVE)
    rows["setting"] = [setting_name(changed[trial_id]) for trial_id in rows["trial_id"]]
    again = rows.duplicated(["strength", "setting", "wave", "seed"])
    if again.any():
        notes.append(f"left out: {again.sum()} trials that repeat the setting, wave and seed of another")
    rows, groups = rows[~again], []
    for (strength, setting), group in rows.groupby(["strength", "setting"], sort=False):
        groups.append(Group(strength, setting, changed[group["trial_id"].iloc[0]], group))
    groups.sort(key=lambda group: (group.strength, bool(group.changed)))
    if len({group.strength for group in groups}) > 1:
        notes.append("only trials of equal strength (label_noise) are compared: noise fitting depends on it")
    return groups, notes + _lengths(groups)


def _rows(records: Records) -> tuple[pd.DataFrame, list[str]]:
    last, seeds = records.last, seeds_of(records)
    noisy = pd.to_numeric(last["label_noise"], errors="coerce") > 0
    known = last[MINIMUM].notna()
    waves = pd.Series([wave_of(row) for _, row in last.iterrows()], last.index, dtype=object)
    notes = []
    for lost, why in (
        (~noisy, "without label noise"),
        (noisy & ~known, f"without {MINIMUM}"),
        (noisy & known & waves.isna(), "without a known wave: its kind, frequency or direction is empty"),
    ):
        notes += [f"left out: {lost.sum()} trials {why}"] if lost.any() else []
    last = last[noisy & known & waves.notna()]
    if last.empty:
        raise RecordError(f"no trial of {records.source} has label noise, a known wave and {MINIMUM}")
    curves = dict(iter(records.table.groupby("trial_id"))) if VALUE in records.table else {}
    found = [
        {
            "trial_id": row["trial_id"],
            "strength": float(setting_text(row["label_noise"])),
            "wave": waves[index],
            "seed": seeds[row["trial_id"]],
            "minimum": row[MINIMUM],
            "minimum_epoch": _lowest(curves.get(row["trial_id"])),
            "normalised": row.get(NORMALISED, float("nan")),
            "cycles": row.get(CYCLES, float("nan")),
            "last_epoch": row["epoch"],
        }
        for index, row in last.iterrows()
    ]
    rows = pd.DataFrame(found)
    return rows.assign(minimum=equate(rows["minimum"].to_numpy())), notes  # equal ones differ alike from the control


def wave_of(row: pd.Series) -> Wave | None:
    """Return the wave of a trial's row, its numbers as settings are compared; None where it is not in the row."""
    if row["noise_type"] == CONTROL:
        return UNIFORM
    along = {"fourier": "noise_spatial_frequency", "random": "noise_seed"}.get(row["noise_type"])
    numbers = row.get(along, 0) if along else 0, row["noise_frequency"]
    if pd.isna([row["noise_type"], *numbers]).any():
        return None
    return Wave(row["noise_type"], *(float(setting_text(number)) for number in numbers))


def _lowest(rows: pd.DataFrame | None) -> float:
    """Return the epoch at which noise fitting is least, NaN where its curve is not known."""
    if rows is None or rows[VALUE].isna().all():
        return float("nan")
    return float(rows.loc[rows[VALUE].idxmin(), "epoch"])


def _lengths(groups: list[Group]) -> list[str]:
    """Return a note if groups were trained for different numbers of epochs: a minimum over more is no higher."""
    usual = groups[0].rows["last_epoch"].max()
    other = [(group.name, ends) for group in groups if set(ends := group.rows["last_epoch"]) != {usual}]
    listed = "; ".join(f"{name} (epoch {ends.min():g} to {ends.max():g})" for name, ends in other)
    note = f"a minimum over more epochs is no higher; not all trials ended at epoch {usual:g}: {listed}"
    return [note] if listed else []

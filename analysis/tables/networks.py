"""Which trials are shards of one network? A short label for each network, unlike all others."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from analysis.inference.rows import setting_text
from analysis.tables.conditions import BASELINE, setting_names
from analysis.tables.table import Records

SHARDING = ["part", "shard", "shards"]  # which classes a trial measured, whatever the network
PLACES = ["teacher", "checkpoint"]  # where the network is; teacher_id and checkpoint_id say which one it is
LONGEST = 40  # characters of a label; of a longer one the middle is left out


def network_labels(records: Records) -> dict[str, str]:
    """Return trial_id -> the label of its network; trials whose settings are equal but for SHARDING have one.

    The label names no setting that is not needed to tell the networks apart, the model before others, and seeds where
    they differ; networks that are still called alike are numbered.
    """
    texts = (
        records.last.set_index("trial_id")[records.settings].drop(columns=SHARDING, errors="ignore").map(setting_text)
    )
    same = texts.drop(columns=[name for name in PLACES if name in texts and f"{name}_id" in texts]).to_numpy()
    networks = pd.Series(np.unique(["\n".join(row) for row in same], return_inverse=True)[1], index=texts.index)
    labels = _names(records, texts).groupby(networks).transform("first")
    if "seed" in texts and texts["seed"].nunique() > 1:
        labels += ", seed " + texts["seed"]
    alike = networks.groupby(labels := labels.map(_short))
    numbers = " (" + alike.rank(method="dense").astype(int).map(str) + ")"
    return (labels + numbers.where(alike.transform("nunique") > 1, "")).to_dict()


def _names(records: Records, texts: pd.DataFrame) -> pd.Series:
    """Return what every trial changes, of what is needed to tell them apart; the baseline's model where models vary."""
    needed = varied = [name for name in records.varied if name in texts]
    for name in sorted(varied, key=lambda name: name == "model"):
        fewer = [each for each in needed if each != name]
        if fewer and texts.groupby(fewer).ngroups == texts.groupby(varied).ngroups:
            needed = fewer
    named = setting_names(records, without=tuple(name for name in records.varied if name not in needed))
    names = pd.Series(named).reindex(texts.index)
    if "model" in texts and (not needed or "model" in needed):
        names = names.mask(names == BASELINE, texts["model"])
    return names.map(lambda name: re.sub("(^|, )model=", r"\1", name))


def _short(label: str) -> str:
    half = LONGEST // 2
    return label if len(label) <= LONGEST else f"{label[: half - 1]}…{label[-half:]}"

"""Which trials are shards of one network, and what is it called? A label per network, short and its own."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from analysis.conditions import setting_names
from analysis.table import Records

SHARDING = ("part", "shard", "shards")  # settings that say which classes a trial measured, and not of what network
LONGEST = 40  # characters of a label; of a longer one the middle is left out


def network_labels(records: Records) -> dict[str, str]:
    """Return trial_id -> the label of its network; trials whose settings are equal but for SHARDING have one.

    The label names no setting that is not needed to tell the networks apart, the model before others, and seeds where
    they differ; networks that are still called alike are numbered.
    """
    last = records.last
    texts = last[[name for name in records.settings if name not in SHARDING]].map(str)
    codes, _ = pd.factorize(np.array(["\n".join(row) for row in texts.to_numpy()]), sort=True)
    networks = pd.Series(codes, index=last["trial_id"])
    varied = [name for name in records.varied if name not in SHARDING]
    needed = varied
    for name in sorted(varied, key=lambda name: name == "model"):
        fewer = [each for each in needed if each != name]
        if fewer and texts.groupby(fewer).ngroups == texts.groupby(varied).ngroups:
            needed = fewer
    names = setting_names(records, without=(*SHARDING, *(name for name in varied if name not in needed)))
    labels = pd.Series(names if varied else records.said("model"), index=networks.index)
    labels = labels.map(lambda label: re.sub("(^|, )model=", r"\1", label))
    if "seed" in texts and texts["seed"].nunique() > 1:
        labels += ", seed " + texts["seed"].set_axis(labels.index)
    labels = labels.map(_short)
    alike = networks.groupby(labels)
    numbers = " (" + alike.rank(method="dense").astype(int).map(str) + ")"
    return (labels + numbers.where(alike.transform("nunique") > 1, "")).to_dict()


def _short(label: str) -> str:
    half = LONGEST // 2
    return label if len(label) <= LONGEST else f"{label[: half - 1]}…{label[-half:]}"

"""What trials are called: by the settings in which they differ from the baseline, or from each other."""

import pandas as pd

from analysis.tables.conditions import setting_names
from analysis.tables.table import Records, normal


def networks(**columns):
    """Four networks of a list, which has no baseline: all of its rows are called so."""
    fixed = {"sweep_id": "made", "study": "checkpoints", "search": "grid", "run_id": "", "epoch": 0, "label": ""}
    trials = {"trial_id": [*"abcd"], "intervention": "baseline", "seed": [0, 0, 0, 1]}
    trials |= {"checkpoint": ["/x/1.pt", "/x/2.pt", "/y/1.pt", "/y/1.pt"], "weights": ["1", "2", "3", "3"]}
    return Records(
        normal(pd.DataFrame(trials).assign(**fixed, **columns, **{"frequency/within_class": 0.1})), {}, "made"
    )


def test_networks_of_a_list_are_called_by_what_describes_them_and_files_only_where_nothing_else_does():
    models = [f"nets:make{depth}#{depth:012x}" for depth in (20, 32, 44, 44)]
    assert [*setting_names(networks(model=models)).values()] == [f"model=nets:make{n}" for n in (20, 32, 44, 44)]
    alike = [f"nets:make#{depth:012x}" for depth in (20, 32, 44, 44)]
    assert [*setting_names(networks(model=alike)).values()] == [f"model={each}" for each in alike]
    assert [*setting_names(networks(model="resnet18")).values()] == [
        f"checkpoint=/{x}.pt" for x in ("x/1", "x/2", "y/1", "y/1")
    ]


def test_a_baseline_with_its_repeats_alone_is_called_so_and_a_hash_in_other_text_stays():
    seeds = networks(model="resnet18", depth=[1, 1, 1, 1])
    alone = Records(normal(seeds.table.drop(columns=["checkpoint", "weights"])), {}, "made")
    assert {*setting_names(alone).values()} == {"baseline"}
    said = networks(model="resnet18", note=["see #0123456789ab", "b", "c", "c"])
    assert setting_names(said)["a"] == "note=see #0123456789ab"

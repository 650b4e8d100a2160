"""Planted relations of frequency with diversity come back by network and together; what only seems one does not."""

from functools import partial

import numpy as np
import pytest
from scipy import stats

from analysis.findings import plain
from analysis.inference import class_association
from analysis.questions.class_associations import as_numbers, as_text, associate
from analysis.tables.class_records import load_classes

WITHIN, MANY = "frequency/within_class", 40


@pytest.fixture
def planted(class_table):
    """Return a function that makes records of two networks whose frequency goes with diversity, and one of chance.

    The diversity in features is all of what is planted, the others are blurred; accuracy falls with diversity, as where
    what is diverse is hard.
    """
    generator = np.random.default_rng(0)
    known = generator.normal(size=MANY)
    blurred = known + 2 * generator.normal(size=MANY)
    diversity = {"total_variance": blurred, "planted": known, "feature_mean_distance": known**3, "a": blurred[::-1]}
    networks = []
    for number, own in enumerate((known, known + 0.5 * generator.normal(size=MANY), generator.normal(size=MANY))):
        metrics = {WITHIN: 0.3 + 0.01 * own, f"{WITHIN}/fixed_samples": own + 0.1 * generator.normal(size=MANY)}
        metrics |= {"generalization/class_accuracy": 0.5 - 0.05 * known + 0.1 * generator.normal(size=MANY)}
        networks.append(({"model": f"net{number}"}, metrics | {"frequency/between_class": generator.random(MANY)}))
    return partial(class_table, networks, diversity)


@pytest.fixture
def analyse(as_records):
    """Return a function that gives what the JSON file holds for a table, and the text."""

    def run(table):
        classes = load_classes(as_records(table), None)
        found = associate(classes)
        return plain(as_numbers(classes, found)), as_text(found)

    return run


def test_a_planted_relation_is_found_by_network_and_together(planted, analyse):
    table = planted()
    found, _ = analyse(table)
    by = table[table["part"] == "frequency"].pivot(index="model", columns="epoch", values=WITHIN).to_numpy()
    known = table[table["part"] == "diversity"].set_index("epoch")["diversity/feature_mean_distance"].to_numpy()
    rho = [stats.spearmanr(row, known).statistic for row in by]
    assert (found["n_classes"], found["primary"]) == (MANY, "feature_mean_distance")
    assert [model["label"] for model in found["models"]] == ["net0", "net1", "net2"]
    assert [model["rho"] for model in found["models"]] == pytest.approx(rho) and rho[0] == pytest.approx(1)
    assert found["pooled"]["rho"] == pytest.approx(np.mean(rho))
    assert [model["p_class_permutation"] < 0.01 for model in found["models"]] == [True, True, False]
    low, high = found["models"][1]["interval"]
    assert 0 < low < rho[1] < high < 1 and found["models"][0]["interval"] == pytest.approx([0.9996, 1], abs=1e-4)
    assert [*found["by_definition"]][:2] == ["feature_mean_distance", "planted"]
    assert found["by_definition"]["planted"]["rho"] == pytest.approx(found["pooled"]["rho"])  # the same ranks
    assert found["by_definition"]["total_variance"]["rho"] < found["pooled"]["rho"]
    assert found["fixed_samples"]["rho"] > 0.4 > abs(found["between_class"]["rho"])


def test_a_network_is_drawn_again_over_the_classes_that_all_have(planted, analyse):
    table = planted()
    found, _ = analyse(table[(table["model"] != "net2") | (table["epoch"] >= 5)])
    there = table[table["epoch"] >= 5]
    by = there[there["part"] == "frequency"].pivot(index="model", columns="epoch", values=WITHIN).to_numpy()
    known = there[there["part"] == "diversity"].set_index("epoch")["diversity/feature_mean_distance"].to_numpy()
    for model, row in zip(found["models"], by, strict=True):
        alone = class_association(row[None], known)
        assert model["interval"] == pytest.approx(alone.interval) and model["n_classes"] == MANY - 5
        assert (model["rho"], model["p_class_permutation"]) == (pytest.approx(alone.statistic), alone.p)


def test_only_the_p_of_definitions_that_were_not_declared_is_corrected(planted, analyse):
    found, text = analyse(planted())
    others = {name: each for name, each in found["by_definition"].items() if name != found["primary"]}
    p = sorted(each["p_class_permutation"] for each in others.values())
    for each in others.values():
        rank = p.index(each["p_class_permutation"])
        assert each["q"] == pytest.approx(min(p[k] * len(p) / (k + 1) for k in range(rank, len(p))))
    assert found["by_definition"][found["primary"]]["q"] is None and "of the p of the 3 definitions" in text


def test_frequency_that_follows_accuracy_alone_has_a_partial_correlation_near_0(class_table, analyse):
    generator = np.random.default_rng(1)
    networks, known = [], generator.normal(size=200)
    for number in range(3):
        accuracy = -known + 0.7 * generator.normal(size=200)
        frequency = -accuracy + 0.2 * generator.normal(size=200)
        networks.append(({"width": number}, {WITHIN: frequency, "generalization/class_accuracy": accuracy}))
    pooled = analyse(class_table(networks, {"total_variance": known}))[0]["pooled"]
    assert pooled["rho"] > 0.6 and pooled["p_class_permutation"] < 0.001 and abs(pooled["partial_rho"]) < 0.15


def test_neither_the_order_of_rows_nor_the_number_of_shards_changes_anything(planted, analyse):
    first = analyse(planted())
    assert analyse(planted().sample(frac=1, random_state=3)) == first
    assert analyse(planted(shards=7)) == first


def test_a_class_missing_in_one_shard_is_left_out_of_all_networks(planted, analyse):
    table = planted()
    found, _ = analyse(table[(table["epoch"] != 17) | (table["model"] != "net1")])
    without, _ = analyse(table[table["epoch"] != 17])
    assert found["n_classes"] == MANY - 1 and found["models"] == without["models"]
    assert found["classes"]["frequency"][17] is None and found["classes"]["total_variance"][17] is not None


def test_a_definition_that_few_classes_have_does_not_cost_the_others(planted, as_records):
    table = planted()
    table.loc[table["epoch"] > 2, "diversity/a"] = np.nan
    found = associate(load_classes(as_records(table), None))
    assert found.not_done == {"a": "3 classes without a missing value; at least 5 needed"}
    assert [*found.by_definition] == ["feature_mean_distance", "planted", "total_variance"]


def test_without_features_the_claim_is_about_pixels_and_without_these_there_is_none(planted, as_records, analyse):
    table = planted().drop(columns="diversity/feature_mean_distance")
    assert [*analyse(table)[0]["by_definition"]] == ["total_variance", "planted", "a"]
    with pytest.raises(ValueError, match="there is no diversity/total_variance, which the claim is about"):
        associate(load_classes(as_records(table.drop(columns="diversity/total_variance")), None))


def test_seeds_are_networks_of_their_own(class_table, analyse):
    generator = np.random.default_rng(2)
    known = generator.random(12)
    networks = [({"seed": seed}, {WITHIN: known + seed * generator.random(12)}) for seed in range(3)]
    found, text = analyse(class_table(networks, {"total_variance": known}))
    assert [model["label"] for model in found["models"]] == ["net, seed 0", "net, seed 1", "net, seed 2"]
    assert found["pooled"]["interval"] is None and " to " in text and "when one class is left out" in text
    low, high = found["models"][2]["range"]
    own = networks[2][1][WITHIN]
    without = [stats.spearmanr(np.delete(own, one), np.delete(known, one)).statistic for one in range(12)]
    assert (low, high) == pytest.approx((min(without), max(without)))

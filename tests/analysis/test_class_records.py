"""Records whose rows are classes: networks are put together from their shards, and what is missing is said."""

import types

import numpy as np
import pandas as pd
import pytest

from analysis.tables.class_records import load_classes
from analysis.tables.networks import network_labels
from analysis.tables.table import RecordError
from specbias.data import open_classes
from specbias.settings.selection import Selection

WITHIN = "frequency/within_class"
CLASSES = 12


@pytest.fixture
def drawn():
    generator = np.random.default_rng(0)
    networks = [({"model": name}, {WITHIN: generator.random(CLASSES)}) for name in ("vit", "resnet")]
    return networks, {"total_variance": generator.random(CLASSES), "vendi": generator.random(CLASSES)}


def test_every_network_has_its_classes_whatever_the_shards_and_the_order_of_rows(as_records, class_table, drawn):
    networks, diversity = drawn
    for shards, order in ((1, None), (5, None), (3, 7)):
        table = class_table(networks, diversity, shards=shards)
        table = table if order is None else table.sample(frac=1, random_state=order)
        found = load_classes(as_records(table), None)
        assert found.labels == ["resnet", "vit"]
        assert found.frequency == pytest.approx(np.stack([networks[1][1][WITHIN], networks[0][1][WITHIN]]), abs=0)
        assert {name: values.tolist() for name, values in found.diversity.items()} == {
            name: values.tolist() for name, values in diversity.items()
        }
        assert found.accuracy.shape == found.length.shape == (2, CLASSES) and (found.length >= 10).all()


def test_the_twins_of_frequency_and_its_error_are_read_where_they_are(as_records, class_table, drawn):
    networks, diversity = drawn
    assert load_classes(as_records(class_table(*drawn)), None).standard_error is None
    for number, (_, metrics) in enumerate(networks):
        metrics |= {f"{WITHIN}/standard_error": np.full(CLASSES, 0.1 + number)}
        metrics |= {f"{WITHIN}/fixed_samples": metrics[WITHIN] / 2, "frequency/between_class": metrics[WITHIN] * 3}
    found = load_classes(as_records(class_table(networks, diversity)), None)
    assert found.standard_error == pytest.approx(np.repeat([[1.1], [0.1]], CLASSES, axis=1))
    assert found.others["fixed_samples"] == pytest.approx(found.frequency / 2)
    assert found.others["between_class"] == pytest.approx(found.frequency * 3)


def test_classes_are_compared_by_the_share_on_a_fixed_band_where_it_was_measured(as_records, class_table, drawn):
    """Older records have the released share alone, and a note says what is wrong with that."""
    networks, diversity = drawn
    older = load_classes(as_records(class_table(*drawn)), None)
    assert older.metric == WITHIN and any("measure them anew" in note for note in older.notes)
    assert "released" not in older.others
    for _, metrics in networks:
        metrics |= {f"{WITHIN}/fixed_band": 1 - metrics[WITHIN], f"{WITHIN}/fixed_band/standard_error": metrics[WITHIN]}
    found = load_classes(as_records(class_table(networks, diversity)), None)
    assert found.frequency == pytest.approx(1 - older.frequency) and found.metric == f"{WITHIN}/fixed_band"
    assert found.standard_error == pytest.approx(older.frequency)
    assert found.others["released"] == pytest.approx(older.frequency)
    assert not any("measure them anew" in note for note in found.notes)


def test_paths_without_a_share_above_the_band_are_counted_by_class(as_records, class_table, drawn):
    networks, diversity = drawn
    for _, metrics in networks:
        metrics |= {f"{WITHIN}/fixed_band": metrics[WITHIN]}
    networks[0][1][f"{WITHIN}/without_band"] = np.array([0, 3] + [0] * 5 + [12] + [0] * (CLASSES - 8))
    notes = load_classes(as_records(class_table(networks, diversity, class_pairs=12)), None).notes
    assert [note for note in notes if "band" in note] == [
        "vit: paths too short for the band (or of samples too far apart), in the released share alone: "
        "class 1 (3 of up to 12), class 7 (12 of up to 12)"
    ]


@pytest.mark.parametrize("banded", [True, False])
def test_a_network_of_which_no_class_has_the_band_is_refused_with_the_lengths(as_records, class_table, drawn, banded):
    """Records of version 2 are not those that have the released share alone, as the class's paths are too short."""
    networks, diversity = drawn
    for number, (own, metrics) in enumerate(networks):
        own |= {"measure_version": 2, "band": 0.01, "spacing": 1.0}
        metrics |= {f"{WITHIN}/path_length": np.linspace(6, 9.5, CLASSES)}
        if banded:
            metrics |= {f"{WITHIN}/fixed_band": metrics[WITHIN] * (1 if number else np.nan)}
    with pytest.raises(RecordError, match="(vit|resnet) tells what is above band=0.01: .* 6 to 9.5 units .*spacing=1;"):
        load_classes(as_records(class_table(networks, diversity)), None)


def test_a_class_that_a_shard_lacks_is_missing_and_said(as_records, class_table, drawn):
    networks, diversity = drawn
    networks[0][1][WITHIN][[2, CLASSES - 1]] = np.nan  # no row of vit
    diversity["vendi"][5] = np.nan
    found = load_classes(as_records(class_table(networks, diversity)), None)
    assert np.argwhere(np.isnan(found.frequency)).tolist() == [[1, 2], [1, CLASSES - 1]]
    assert np.isnan(found.diversity["vendi"]).nonzero()[0].tolist() == [5]
    assert "vit: 2 of 12 classes without frequency" in found.notes
    assert "diversity/vendi: 1 of 12 classes without it" in found.notes


def test_classes_have_numbers_where_the_data_are_not_and_else_their_names_and_pictures(
    as_records, class_table, drawn, monkeypatch
):
    records = as_records(class_table(*drawn, dataset="made", image_size=8, class_seed=3))
    found = load_classes(records, None)
    assert found.names[:2] == ["class 0", "class 1"] and found.pictures is None
    assert "no pictures, as made cannot be read here: unknown data set 'made'" in " ".join(found.notes)

    import torch

    asked = []

    def open_classes(name, selection):
        asked.append((name, selection))
        names = tuple(f"animal {label}" for label in range(CLASSES + 1))  # of the last there is no row

        def images(split, label, most):
            return torch.full((most, 3, 8, 8), label, dtype=torch.uint8)

        return types.SimpleNamespace(names=names, ids=names, classes_id=None, images=images)

    monkeypatch.setattr("specbias.data.open_classes", open_classes)
    found = load_classes(records, None)
    assert asked[0][0] == "made" and (asked[0][1].image_size, asked[0][1].class_seed) == (8, 3)
    assert (
        found.names[-1] == "animal 12" and np.isnan(found.frequency[:, -1]).all() and not np.isnan(found.accuracy[0, 0])
    )
    assert found.pictures(7).shape == (5, 3, 8, 8) and (found.pictures(7) == 7).all()


def test_a_data_set_of_fewer_classes_is_another(as_records, class_table, drawn):
    found = load_classes(as_records(class_table(*drawn, dataset="digits")), None)
    assert found.names[0] == "class 0" and "it has other classes than the records" in found.notes[0]


def test_classes_of_other_ids_lend_no_names(as_records, class_table, drawn):
    settings = {"dataset": "leaves", "classes": CLASSES}
    there = open_classes("leaves", Selection(classes=CLASSES)).classes_id
    for classes_id, name in ((there, "0"), ("others", "class 0")):
        found = load_classes(as_records(class_table(*drawn, **settings, classes_id=classes_id)), None)
        assert found.names[0] == name and bool(found.ids) == (name == "0")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t[t["part"] == "frequency"], "are part=frequency; this takes part=diversity: run those"),
        (lambda t: t[t["part"] == "diversity"], "are part=diversity; this takes part=frequency: run those"),
        (lambda t: t.assign(part="training"), "are part=training; this takes part=frequency: run those"),
        (lambda t: t.drop(columns="generalization/class_accuracy"), "have no generalization/class_accuracy"),
        (
            lambda t: t.drop(columns=["diversity/total_variance", "diversity/vendi"]),
            "part=diversity have no diversity/",
        ),
        (
            lambda t: t.assign(feature_model=np.where(t["shard"] == 1, "vit", "vgg")),
            "diversity was measured in 2 ways, one is needed: feature_model=vgg; feature_model=vit",
        ),
        (
            lambda t: t.assign(class_seed=np.where(t["part"] == "diversity", 0, 1)),
            "classes are compared within one choice of them; here class_seed=1, 0",
        ),
    ],
)
def test_what_is_not_there_is_one_line(as_records, class_table, drawn, change, said):
    with pytest.raises(RecordError, match=said) as found:
        load_classes(as_records(change(class_table(*drawn))), None)
    assert "\n" not in str(found.value)


def labels_of(as_records, class_table, settings, **shared):
    frequency = {WITHIN: np.arange(6.0)}
    table = class_table([(own, frequency) for own in settings], {"total_variance": np.arange(6.0)}, **shared)
    records = as_records(table).of_part("frequency")
    found = network_labels(records)
    assert len(found) == 2 * len(settings)  # of two shards each
    return [found[f"frequency{number}s0"] for number in range(len(settings))], found


@pytest.mark.parametrize(
    ("settings", "labels"),
    [
        ([{}], ["net"]),
        ([{"model": "vit", "width": 8}, {"model": "vgg", "width": 16}], ["vit", "vgg"]),
        ([{"width": 8, "depth": 1}, {"width": 16, "depth": 1}, {"width": 16, "depth": 2}], ["width=8, depth=1"]),
        ([{"seed": 0}, {"seed": 1}], ["net, seed 0", "net, seed 1"]),
        ([{"model": "vit", "seed": 0}, {"model": "vit", "seed": 1}, {"model": "vgg"}], ["vit, seed 0", "vit, seed 1"]),
        ([{"teacher_id": "b"}, {"teacher_id": "a"}], ["net (2)", "net (1)"]),
        ([{"intervention": "baseline", "cutout": 0}, {"cutout": 8}], ["baseline", "cutout=8"]),
        ([{"intervention": "baseline", "model": "vgg"}, {"model": "vit"}], ["vgg", "vit"]),
        ([{"checkpoint": "x/" * 40 + "one"}, {"checkpoint": "x/" * 40 + "two"}], None),
    ],
)
def test_networks_have_short_labels_of_their_own(as_records, class_table, settings, labels):
    found, by_trial = labels_of(as_records, class_table, settings)
    assert len(set(found)) == len(settings) and max(map(len, found)) < 60
    assert labels is None or found[: len(labels)] == labels
    assert all(by_trial[f"frequency{n}s1"] == label for n, label in enumerate(found))  # its other shard


def test_where_a_network_lies_does_not_make_it_another(as_records, class_table):
    own = {"checkpoint": "here", "checkpoint_id": "12e4"}
    table = class_table([(own, {WITHIN: np.arange(6.0)})], {"total_variance": np.arange(6.0)})
    table.loc[table["shard"] == 2, "checkpoint"] = "there"
    assert len(set(network_labels(as_records(table).of_part("frequency")).values())) == 1


def test_a_part_of_a_study_has_its_own_metrics_and_one_without_parts_is_whole(as_records, class_table, drawn):
    records = as_records(class_table(*drawn))
    part = records.of_part("diversity")
    assert part.metrics == ["diversity/total_variance", "diversity/vendi"] and len(part.table) == CLASSES
    whole = as_records(pd.DataFrame({"trial_id": ["a"], "epoch": 1, "sweep_id": "", "study": "", "search": ""}))
    assert whole.of_part("training") is whole

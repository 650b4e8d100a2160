"""A trial of many classes: in any number of shards, stopped anywhere, each class is measured once and the same."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from specbias.settings import SettingError
from specbias.trials.class_config import ClassConfig, complete, trained_before
from specbias.trials.classes import run_classes

DIGITS = {"dataset": "digits", "model": "small_cnn", "width": 4, "epochs": 1, "batch_size": 50, "probe_pairs": 0}
PATHS = {"class_pairs": 2, "class_samples": 8, "class_partners": 2}


def frequency(**settings):
    return complete(ClassConfig(part="frequency", **DIGITS | PATHS | settings))


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """The folder that the network of `frequency()` was saved to."""
    folder = tmp_path_factory.mktemp("network")
    threads = torch.get_num_threads()  # a trial sets it
    *_, (state, _) = run_classes(trained_before(frequency()))
    torch.set_num_threads(threads)
    state.save(folder)
    return str(folder)


def measured(config, checkpoint=None):
    return {m.step: m for _, m in run_classes(config, checkpoint)}


def same(first, second):
    assert first.metrics == second.metrics and first.arrays.keys() == second.arrays.keys()
    for key, array in first.arrays.items():
        np.testing.assert_array_equal(array, second.arrays[key], strict=True)


def test_shards_together_are_all_classes_measured_the_same(network):
    whole = measured(dataclasses.replace(frequency(), teacher=network))
    parts = [dataclasses.replace(frequency(shards=3, shard=i), teacher=network) for i in (1, 2, 3)]
    sharded = [measured(part) for part in parts]
    assert [*whole] == list(range(10)) == [label for part in sharded for label in part]
    for part in sharded:
        for label, found in part.items():
            same(found, whole[label])


def test_stopped_after_any_class_it_goes_on_with_the_next(network, tmp_path):
    config = dataclasses.replace(frequency(shards=2, shard=2), teacher=network)
    whole = measured(config)
    for label in (5, 8, 9):
        folder = tmp_path / str(label)
        folder.mkdir()
        for state, measurement in run_classes(config):
            if measurement.step == label:
                state.save(folder)
                break
        assert json.loads((folder / "classes.json").read_text()) == {"label": label}
        rest = measured(config, folder)
        assert [*rest] == list(range(label + 1, 10))
        for later, found in rest.items():
            same(found, whole[later])


def test_what_is_measured_is_the_network_that_was_saved(network):
    """Its accuracy over classes is the one that its training measured on the same images."""
    config = dataclasses.replace(frequency(class_splits="test"), teacher=network)
    *_, (_, training) = run_classes(trained_before(frequency()))
    by_class = [m.metrics["generalization/class_accuracy"] for m in measured(config).values()]
    assert by_class == pytest.approx(training.arrays["generalization/test_accuracy_per_class"])


def test_diversity_is_seen_in_the_training_images_of_each_class():
    config = complete(ClassConfig(part="diversity", dataset="digits", diversity_images=30))
    found = measured(config)
    from specbias.data import open_classes

    digits = open_classes("digits")
    mean, std = (torch.tensor(constants).view(3, 1, 1) for constants in (digits.mean, digits.std))
    for label in (0, 7):
        images = digits.images("train", label)[:30].double() / 255
        points = ((images - torch.tensor(digits.mean).view(3, 1, 1)) / torch.tensor(digits.std).view(3, 1, 1)).flatten(
            1
        )
        variance = points.var(dim=0, unbiased=False).sum().item()
        assert found[label].metrics["diversity/total_variance"] == pytest.approx(variance, rel=1e-5)
    assert [*found] == list(range(10))


def test_another_network_than_the_one_planned_is_refused(network):
    with pytest.raises(SettingError, match="not the one whose network this is to measure"):
        next(run_classes(dataclasses.replace(frequency(learning_rate=0.2), teacher=network)))


@pytest.mark.slow
def test_features_of_a_network_that_other_classes_taught_rank_planted_levels(tmp_path):
    """The primary measure of diversity, against the truth."""
    leaves = {"dataset": "leaves", "classes": 10, "feature_model": "small_cnn", "feature_epochs": 6}
    config = complete(ClassConfig(part="diversity", **leaves))
    *_, (state, _) = run_classes(trained_before(config))
    state.save(tmp_path)
    found = measured(dataclasses.replace(config, teacher=str(tmp_path)))
    seen = [m.metrics["diversity/feature_mean_distance"] for m in found.values()]
    planted = [m.metrics["diversity/planted"] for m in found.values()]
    assert spearmanr(seen, planted).statistic > 0.8


def test_without_its_network_it_says_so():
    with pytest.raises(SettingError, match="part=frequency: name the folder that the network was saved to"):
        next(run_classes(frequency()))

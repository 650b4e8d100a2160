"""Which settings decide what is measured of classes? Only those that do change the identity of a trial."""

from dataclasses import replace

import pytest

from specbias.settings import SettingError
from specbias.settings.config import TrialConfig
from specbias.training.check import complete_config
from specbias.trials.class_config import ClassConfig, check, complete, trained_before

DIGITS = {"dataset": "digits", "model": "small_cnn", "width": 4, "batch_size": 25, "probe_pairs": 1}


def frequency(**settings):
    return complete(ClassConfig(part="frequency", **DIGITS | settings))


def test_a_training_has_the_identity_of_a_trial_whatever_is_measured_of_it_later():
    plain = complete_config(TrialConfig(**DIGITS))
    trainings = [trained_before(frequency(**s)) for s in ({}, {"shards": 3, "shard": 2}, {"class_pairs": 7})]
    assert {training.trial_id for training in trainings} == {plain.trial_id}
    assert trained_before(frequency(learning_rate=0.3)).trial_id != plain.trial_id


def test_what_a_part_does_not_use_does_not_change_its_identity():
    unused = {"diversity_images": 9, "feature_model": "resnet18"}
    assert frequency(**unused).trial_id == frequency().trial_id
    diversity = [
        complete(ClassConfig(part="diversity", **DIGITS | s))
        for s in ({}, {"width": 8}, {"epochs": 3}, {"class_pairs": 5}, {"seed": 4}, {"pretrained": "DEFAULT"})
    ]
    assert len({config.trial_id for config in diversity}) == 1
    assert complete(replace(diversity[0], diversity_images=9)).trial_id != diversity[0].trial_id


@pytest.mark.parametrize("name", ["class_pairs", "class_partners", "class_samples", "shards", "probe_seed", "epochs"])
def test_what_a_part_uses_changes_its_identity(name):
    assert frequency(**{name: 5}).trial_id != frequency().trial_id


@pytest.mark.parametrize("shards", [1, 3, 7, 10])
def test_every_class_is_in_one_shard(shards):
    configs = [frequency(shards=shards, shard=shard) for shard in range(1, shards + 1)]
    assert [label for config in configs for label in config.labels] == list(range(10))
    assert max(len(c.labels) for c in configs) - min(len(c.labels) for c in configs) <= 1
    assert [config.last_epoch for config in configs] == [config.labels[-1] for config in configs]


def test_a_published_network_is_not_trained_and_measured_on_test_images_alone():
    config = complete(ClassConfig(part="frequency", model="torchvision:resnet18", pretrained="DEFAULT", epochs=99))
    assert trained_before(config) is None and (config.class_splits, config.epochs) == ("test", ClassConfig.epochs)
    check(config)


def test_features_are_those_of_a_network_taught_by_other_classes(monkeypatch, tmp_path):
    for part in ("train", "val"):
        for label in "abcdefgh":
            (tmp_path / "tiny-imagenet-200" / part / label).mkdir(parents=True)
            for image in range(5):
                (tmp_path / "tiny-imagenet-200" / part / label / f"{image}.jpeg").touch()
    monkeypatch.setenv("SPECBIAS_DATA_DIR", str(tmp_path))
    settings = {"dataset": "tiny_imagenet", "classes": 3, "feature_model": "small_cnn", "feature_epochs": 2}
    config = complete(ClassConfig(part="diversity", batch_size=2, **settings))
    taught = trained_before(config)
    assert (taught.model, taught.epochs, taught.classes, taught.first_class) == ("small_cnn", 2, 5, 3)
    from specbias.data import open_classes

    chosen, others = (set(open_classes(c.dataset, c.selection).ids) for c in (config, taught))
    assert chosen | others == set("abcdefgh") and not chosen & others
    with pytest.raises(
        SettingError,
        match="feature_model=small_cnn: what other classes .* from first_class=7 on: .* has 1 from there on",
    ):
        trained_before(replace(config, classes=7))


def test_features_are_of_the_network_that_the_identity_names():
    seen = {"part": "diversity", "dataset": "leaves", "classes": 4, "feature_model": "small_cnn"}
    configs = [complete(ClassConfig(**seen | more)) for more in ({}, {"feature_epochs": 3}, {"feature_width": 8})]
    assert [config.teacher_id for config in configs] == [trained_before(config).trial_id for config in configs]
    assert len({config.trial_id for config in configs}) == 3


def test_images_that_taught_the_network_supply_no_path():
    assert frequency().class_splits == "both"
    assert frequency(legacy_split=True).class_splits == "test"
    with pytest.raises(SettingError, match="class_splits=validation: the network was trained on these images"):
        check(frequency(legacy_split=True, class_splits="validation"))


def test_a_file_of_weights_is_found_from_any_folder(tmp_path, monkeypatch):
    (tmp_path / "weights.pth").write_bytes(b"weights")
    monkeypatch.chdir(tmp_path)
    config = frequency(model="torchvision:resnet18", pretrained="DEFAULT", checkpoint="weights.pth")
    assert config.checkpoint == str(tmp_path / "weights.pth") and config.checkpoint_id is not None


def test_other_classes_are_another_trial_and_refused_where_they_are_not_those_planned():
    chosen = [frequency(dataset="leaves", classes=4, **more) for more in ({}, {"class_seed": 1}, {"first_class": 4})]
    assert len({config.classes_id for config in chosen}) == 3
    check(chosen[0])
    with pytest.raises(SettingError, match="leaves has other classes here"):
        check(replace(chosen[0], classes_id="others"))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"shards": 11}, "shards=11: more than the 10 classes"),
        ({"pretrained": "DEFAULT"}, "pretrained=DEFAULT: weights of a torchvision:NAME, not of small_cnn"),
        ({"pretrained": "DEFAULT", "model": "torchvision:resnet18", "class_splits": "both"}, "class_splits=both"),
        ({"pretrained": "DEFAULT", "model": "torchvision:resnet18", "checkpoint": "none.pt"}, "checkpoint=none.pt: No"),
        ({"checkpoint": "a.pt"}, "checkpoint=a.pt: of which weights"),
        ({"shard": 2}, "shard=2: must be from 1 to shards=1"),
        ({"class_splits": "train"}, "class_splits=train: must be"),
        ({"part": "all"}, "part=all: must be"),
    ],
)
def test_what_cannot_be_is_one_line(settings, said):
    with pytest.raises(SettingError, match=said) as caught:
        check(complete(ClassConfig(**DIGITS | {"part": "frequency"} | settings)))
    assert "\n" not in str(caught.value)

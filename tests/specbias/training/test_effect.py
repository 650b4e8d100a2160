"""Which interventions have no effect on some data: colours of grey images, or what falls on no image."""

import pytest
import torch

from specbias.settings.config import TrialConfig
from specbias.training import effect
from sweeps.kinds.classifier import prepare
from sweeps.service.machines.nodes import _prepare
from tests.specbias.training.test_interventions import STRENGTHS


@pytest.fixture(autouse=True)
def one_thread(threads):
    """Small batches are faster on one."""
    torch.set_num_threads(1)


def first_colour(config):
    """A grey of any strength: every channel is the first."""
    return lambda images, targets, generator: (images[:, :1].expand_as(images), targets)


def test_every_intervention_changes_the_digits_at_its_usual_strength():
    for name, strength in STRENGTHS.items():
        if name == "own_strength":  # of what, is not said
            continue
        assert effect.idle_interventions(TrialConfig(dataset="digits", **{name: strength})) == [], name


@pytest.mark.parametrize(("dataset", "idle"), [("digits", ["gaussian_noise"]), ("leaves", [])])
def test_a_change_of_colours_has_no_effect_on_grey_images(monkeypatch, dataset, idle):
    monkeypatch.setitem(effect.INTERVENTIONS, "gaussian_noise", first_colour)
    effect._is_idle.cache_clear()
    assert effect.idle_interventions(TrialConfig(dataset=dataset, gaussian_noise=0.5, cutout=8)) == idle
    effect._is_idle.cache_clear()


def test_what_falls_on_few_images_or_batches_has_an_effect():
    for rare in ({"autoaugment": 0.01}, {"mixup": 0.5, "mixing_probability": 0.1}):
        assert effect.idle_interventions(TrialConfig(dataset="digits", **rare)) == []


def test_what_falls_on_no_image_is_said_once_for_all_trials(small):
    never = {"image_frequency": 4.0, "image_frequency_probability": 0.0}
    said = "image_frequency=4.0 changed none of 4,096 images of digits: trials may equal those without it"
    assert prepare(small(**never)) == said and prepare(small(image_frequency=4.0)) is None
    assert _prepare([small(**never, seed=seed) for seed in range(3)] + [small()], prepare) == [said]

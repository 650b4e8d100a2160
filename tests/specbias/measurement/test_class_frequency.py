"""Paths of one class and their frequency: who joins whom, and every number against the same measured another way."""

import numpy as np
import pytest
import torch

from specbias.data import Data, Split, open_classes
from specbias.measurement.class_frequency import choose_class_probes, measure_class
from specbias.measurement.frequency import KINDS

SETTINGS = {"spacing": 1.0, "samples": 16, "signal": "probabilities", "batch_size": 100, "device": "cpu"}


@pytest.fixture(scope="module")
def digits():
    return open_classes("digits")


def probes_of(digits, label, **settings):
    defaults = {"splits": ("test", "validation"), "pairs": 12, "partners": 4, "seed": 0, "outputs": tuple(range(10))}
    return choose_class_probes(digits, label, **defaults | settings)


def random_network(images):
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.randn(size, generator=generator) for size in ((3072, 30), (30, 10)))
    return torch.tanh(images.flatten(1) @ first / 20) @ second


def test_paths_within_a_class_share_no_image_and_are_of_that_class(digits):
    probes = probes_of(digits, 3)
    own = torch.cat([digits.images(split, 3) for split in ("test", "validation")])
    assert torch.equal(probes.images[: probes.own], own) and (probes.labels[: probes.own] == 3).all()
    assert probes.within.shape == (2, 12) and len(probes.within.unique()) == 24 and probes.within.max() < probes.own
    few = probes_of(digits, 3, pairs=10_000)
    assert (
        few.within.shape[1] == len(own) // 2 == few.between.shape[1] and len(few.within.unique()) == len(own) // 2 * 2
    )


def test_paths_between_classes_begin_in_the_class_and_end_in_each_partner_in_turn(digits):
    probes = probes_of(digits, 3)
    starts, ends = probes.between
    assert (starts < probes.own).all() and len(starts.unique()) == 12 and len(ends.unique()) == 12
    reached = probes.labels[ends]
    assert sorted(reached.bincount().tolist())[-4:] == [3] * 4 and 3 not in reached.tolist()
    assert len(probes.images[ends].flatten(1).unique(dim=0)) == 12
    for end, label in zip(ends.tolist(), reached.tolist(), strict=True):
        there = torch.cat([digits.images(split, label) for split in ("test", "validation")])
        assert (there == probes.images[end]).flatten(1).all(1).any()
    assert len(probes_of(digits, 3, partners=50).labels[probes_of(digits, 3, partners=50).between[1]].unique()) == 9


def test_the_seed_decides_and_nothing_else(digits):
    torch.manual_seed(7)
    first, again, other = (probes_of(digits, 5, seed=seed) for seed in (1, 1, 2))
    assert all(torch.equal(torch.as_tensor(a), torch.as_tensor(b)) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first.within, other.within) and not torch.equal(first.between, other.between)


@pytest.mark.parametrize("samples", [None, 16])
def test_the_share_of_every_path_is_that_of_the_path_walked_alone(digits, samples):
    probes = probes_of(digits, 6)
    metrics, arrays = measure_class(random_network, digits, probes, **SETTINGS)
    name = "fixed_samples" if samples else ""
    ends_of = dict(zip(KINDS, (probes.within, probes.between), strict=True))
    for kind, ends in ends_of.items():
        shares = []
        for one, other in ends.T.tolist():
            pixels = probes.images[[one, other]].double() / 255
            first, second = (pixels - torch.tensor(digits.mean).view(3, 1, 1)) / torch.tensor(digits.std).view(3, 1, 1)
            distance = (second - first).norm().item()
            weights = np.arange(samples) / samples if samples else np.arange(0, distance, 1) / distance
            path = torch.stack([first + w * (second - first) for w in weights]).float()
            p = torch.softmax(random_network(path).double(), 1).numpy()
            amplitude = np.abs(np.fft.rfft(p, axis=0)).mean(1)
            high = int(np.ceil(0.1 * len(amplitude)))
            shares.append(amplitude[high:-1].sum() / amplitude.sum())
        key = f"frequency/{kind}" + (f"/{name}" if name else "")
        assert metrics[key] == pytest.approx(np.mean(shares), rel=1e-4)
        # no image is shared, so the error is the textbook's
        assert metrics[f"{key}/standard_error"] == pytest.approx(np.std(shares, ddof=1) / np.sqrt(12), rel=1e-3)
        prefix = f"{name}/" if name else ""
        assert arrays[f"{prefix}frequency/{kind}/share"] == pytest.approx(shares, rel=1e-3)
        banded = arrays[f"frequency/{kind}/fixed_band"]
        assert metrics[f"frequency/{kind}/fixed_band"] == pytest.approx(banded.mean())
        error = metrics[f"frequency/{kind}/fixed_band/standard_error"]
        assert error == pytest.approx(banded.std(ddof=1) / np.sqrt(12)) and error > 0


def test_accuracy_and_length_are_those_of_the_class(digits):
    probes = probes_of(digits, 6)
    metrics, arrays = measure_class(random_network, digits, probes, **SETTINGS)
    none = Split(probes.images[:0], probes.labels[:0])
    data = Data(none, none, none, digits.mean, digits.std, num_classes=10)
    images = data.normalise(probes.images)
    hits = random_network(images[: probes.own]).argmax(1) == 6
    assert metrics["generalization/class_accuracy"] == pytest.approx(hits.double().mean().item())
    distances = (images[probes.within[0]] - images[probes.within[1]]).flatten(1).norm(dim=1)
    assert metrics["frequency/within_class/path_length"] == pytest.approx(distances.mean().item(), rel=1e-5)


def test_a_wave_between_two_classes_alone_is_seen_between_and_not_within(digits):
    """The function is a wave along the difference of two class means, with many periods from one to the other."""
    means = [digits.images("train", label).double().div(255).mean(0) for label in (0, 1)]
    direction = ((means[1] - means[0]) / torch.tensor(digits.std).view(3, 1, 1)).float().flatten()
    direction /= direction.norm() ** 2  # 0 to 1 from mean to mean

    def waving(images):
        logits = torch.zeros(len(images), 10)
        logits[:, 0] = torch.cos(2 * np.pi * 6 * images.flatten(1) @ direction)
        return logits

    two = digits.__class__(digits.names[:2], digits.ids[:2], digits.mean, digits.std, digits.images)
    metrics, _ = measure_class(waving, two, probes_of(two, 0, outputs=(0, 1)), **SETTINGS)
    mean_frequency = {kind: metrics[f"frequency/{kind}/mean_frequency"] for kind in KINDS}
    assert mean_frequency["between_class"] > 1.3 * mean_frequency["within_class"]
    constant, _ = measure_class(lambda images: torch.zeros(len(images), 10), two, probes_of(two, 0), **SETTINGS)
    assert constant["frequency/within_class"] == pytest.approx(0, abs=1e-6)


def test_a_class_whose_images_are_all_one_has_no_paths_within_it(digits):
    def images(split, label, most=None):
        found = digits.images(split, label, most)
        return found[:1].expand(len(found), -1, -1, -1) if label == 2 else found

    same = digits.__class__(digits.names, digits.ids, digits.mean, digits.std, images)
    metrics, _ = measure_class(random_network, same, probes_of(same, 2, splits=("test",)), **SETTINGS)
    assert "frequency/within_class" not in metrics and "frequency/between_class" in metrics


def test_fewer_paths_than_partners_lead_to_as_many(digits):
    probes = probes_of(digits, 3, pairs=2, partners=8)
    assert len(probes.labels[probes.between[1]].unique()) == 2


def test_paths_too_short_for_the_band_are_counted_where_there_are_any(digits):
    """Below the lower end of a path's first bin, 0.5 / samples at spacing 1; the released share is over all."""
    probes = probes_of(digits, 6)
    metrics, arrays = measure_class(random_network, digits, probes, **SETTINGS)
    assert not any("without_band" in name for name in metrics)
    band = float(np.median(0.5 / arrays["frequency/within_class/samples"])) + 1e-9
    fewer, some = measure_class(random_network, digits, probes, **SETTINGS, band=band)
    lost = (0.5 / arrays["frequency/within_class/samples"] > band).sum()
    assert 0 < lost < 12 and np.isnan(some["frequency/within_class/fixed_band"]).sum() == lost
    assert fewer["frequency/within_class/without_band"] == lost == some["frequency/within_class/without_band"]
    assert fewer["frequency/within_class"] == metrics["frequency/within_class"]
    assert fewer["frequency/within_class/fixed_band"] == np.nanmean(some["frequency/within_class/fixed_band"])

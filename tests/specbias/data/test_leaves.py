"""Dead leaves: the same bytes always, leaves that hide each other, 1/f, diversity as planted and nothing with it."""

import hashlib

import numpy as np
import pytest
import torch
from scipy.stats import kstest, spearmanr, truncpareto
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from specbias.data import data_directory, load_data, load_dataset
from specbias.data.datasets import DATASETS
from specbias.data.leaves import CONTRAST, JITTER, LEAVES, RADII, arrange_leaves, load_leaves, planted_diversity
from specbias.measurement.diversity import MEASURES, class_diversity
from specbias.settings import SettingError
from specbias.settings.config import TrialConfig
from specbias.settings.seeds import derive_seed
from specbias.settings.selection import Selection

CLASSES, SIZE = 30, 32
CHANCE = 0.36  # |rho| of 30 classes with nothing: in 95 of 100 cases less


@pytest.fixture(scope="module")
def data():
    return load_data(TrialConfig(dataset="leaves"))


@pytest.fixture(scope="module")
def by_class(data):
    """The training images (30, 80, 3, 32, 32) by class, in numpy."""
    order = data.train.labels.argsort(stable=True)
    return data.train.images[order].view(CLASSES, 80, 3, SIZE, SIZE).numpy()


def test_the_bytes_are_the_same_always(data):
    splits = [data.train, data.validation, data.test]
    load_leaves.cache_clear()
    again = load_leaves(data_directory())
    for split, other in zip(splits, (again.train, again.validation, again.test), strict=True):
        assert (split.images == other.images).all() and (split.labels == other.labels).all()
    content = b"".join(split.images.numpy().tobytes() for split in splits)
    assert hashlib.sha256(content).hexdigest() == "7a7aa7653c0f848d113aeee33de53a0594372047261cf4dd8178c9d73d07def6"


def test_the_constants_are_those_of_the_training_images(by_class):
    pixels = by_class / 255
    facts = DATASETS["leaves"]
    assert pixels.mean(axis=(0, 1, 3, 4)) == pytest.approx(facts.mean, abs=1e-5)
    assert pixels.std(axis=(0, 1, 3, 4)) == pytest.approx(facts.std, abs=1e-5)


def test_the_first_leaves_lie_on_top_and_no_place_is_bare():
    """The twin: a painter who lays down the last leaf first, over nine copies of the image, and looks at the middle."""
    stream, (least, most) = np.random.default_rng(derive_seed("leaves", "places")), RADII
    radii = (least**-2 - stream.random(LEAVES) * (least**-2 - most**-2)) ** -0.5
    assert kstest(radii, truncpareto(2, most / least, scale=least).cdf).pvalue > 0.05  # the density r^-3
    centres = SIZE * stream.random((2, LEAVES))
    painted = np.full((SIZE, SIZE), -1)
    row, column = np.mgrid[:SIZE, :SIZE] + 0.5
    for leaf in range(LEAVES - 1, -1, -1):
        for down in (-SIZE, 0, SIZE):
            for right in (-SIZE, 0, SIZE):
                y, x = centres[:, leaf]
                painted[np.hypot(row - y - down, column - x - right) <= radii[leaf]] = leaf
    assert painted.min() >= 0
    assert np.array_equal(np.unique(painted, return_inverse=True)[1].reshape(SIZE, SIZE), arrange_leaves())


def test_every_leaf_has_one_colour_in_an_image_and_only_its_share_changes(by_class):
    seen = arrange_leaves()
    first = np.array([np.flatnonzero(seen.ravel() == leaf)[0] for leaf in range(seen.max() + 1)])
    flat = by_class.reshape(CLASSES, 80, 3, -1)
    assert np.array_equal(flat[..., first][..., seen.ravel()], flat)  # also at the edges: no pixel mixes two leaves
    changing = (flat != flat[:, :1]).any(axis=(1, 2)).mean(axis=1)
    assert changing == pytest.approx(planted_diversity(), abs=1 / SIZE**2)


def test_the_amplitude_falls_as_one_over_the_frequency(by_class):
    """Of the grey image behind a Hann window; the band of the slope is that of natural images about -1, by 0.2."""
    window = np.hanning(SIZE)
    grey = by_class.mean(axis=2).reshape(-1, SIZE, SIZE)
    grey = (grey - grey.mean(axis=(1, 2), keepdims=True)) * np.outer(window, window)
    amplitude = np.abs(np.fft.fft2(grey)).mean(axis=0)
    axis = np.fft.fftfreq(SIZE, 1 / SIZE)
    ring = np.hypot(axis[:, None], axis).round()
    frequencies = np.arange(2, SIZE // 2)
    radial = [amplitude[ring == frequency].mean() for frequency in frequencies]
    slope = np.polyfit(np.log(frequencies), np.log(radial), 1)[0]
    assert -1.2 < slope < -0.8


def test_every_measure_ranks_the_classes_as_planted(data):
    found = class_diversity(data, data.train)
    assert set(found) == set(MEASURES)
    for values in found.values():
        assert spearmanr(planted_diversity(), values).statistic > 0.95


def test_diversity_goes_with_neither_label_nor_contrast(by_class):
    planted = np.array(planted_diversity())
    roots = np.sort(np.sqrt(planted))
    assert np.diff(roots) == pytest.approx((1 - np.sqrt(planted.min())) / 29) and roots[-1] == 1
    assert abs(spearmanr(planted, np.arange(CLASSES)).statistic) < CHANCE
    contrast = by_class.var(axis=(1, 3, 4))  # (classes, channels) of all pixels of a class
    assert abs(spearmanr(planted, contrast.mean(axis=1)).statistic) < CHANCE
    spread = by_class.astype(float).var(axis=1, ddof=1)  # of a pixel over the images: the palette's, where it changes
    palette = np.array([each[:, each.any(axis=0)].mean(axis=1) for each in spread])
    assert palette == pytest.approx(np.full((CLASSES, 3), (CONTRAST**2 + JITTER**2) / 3), rel=0.15)
    assert abs(spearmanr(planted, palette.mean(axis=1)).statistic) < CHANCE


def test_the_palette_tells_classes_apart_where_all_is_coloured_anew(data):
    """By the colours' mean and covariance alone, classes of the six highest levels are known far above chance."""
    chosen = np.argsort(planted_diversity())[-6:]

    def colours(split):
        rows = np.isin(split.labels.numpy(), chosen)
        pixels = split.images.numpy()[rows].reshape(rows.sum(), 3, -1) / 255
        products = np.einsum("nip,njp->nij", pixels, pixels).reshape(rows.sum(), 9)[:, [0, 1, 2, 4, 5, 8]] / SIZE**2
        return np.hstack([pixels.mean(axis=2), products]), split.labels.numpy()[rows]

    known = LinearDiscriminantAnalysis().fit(*colours(data.train)).score(*colours(data.test))
    assert 0.5 < known < 1


def test_other_seeds_and_places_are_other_classes_and_the_first_are_the_same():
    def images(**chosen):
        return load_leaves(data_directory(), Selection(**chosen)).test.images

    few, later, other = images(classes=5), images(classes=5, first_class=5), images(classes=5, class_seed=1)
    assert len(few) == 200 and torch.equal(few, images(classes=5))
    seen = [{image.numpy().tobytes() for image in each} for each in (few, later, other)]
    assert not (seen[0] & seen[1] or seen[0] & seen[2] or seen[1] & seen[2])
    assert sorted(planted_diversity(Selection(classes=5, class_seed=3))) == pytest.approx(
        sorted(planted_diversity(Selection(classes=5)))
    )
    with pytest.raises(SettingError, match="leaves has images of 32 x 32 pixels"):
        load_dataset("leaves", Selection(image_size=64))

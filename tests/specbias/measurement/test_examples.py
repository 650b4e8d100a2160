"""Paths that stand for the others, and all paths where they are kept: what is kept draws what was measured."""

from pathlib import Path

import numpy as np
import pytest
import torch

from specbias.data import load_dataset
from specbias.measurement.examples import extreme_and_median
from specbias.measurement.report import measure_function
from specbias.measurement.spectra import amplitude_spectrum, high_frequency_share
from specbias.settings.measurement import MeasureSettings

KINDS = ("within_class", "between_class")


def random_network(images):
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.randn(size, generator=generator) for size in ((3072, 30), (30, 10)))
    return torch.tanh(images.flatten(1) @ first / 20) @ second


@pytest.fixture(scope="module")
def arrays():
    settings = MeasureSettings(pairs=3, spacing=2.0, keep_paths=True, until_se=1e-9)
    _, found = measure_function(random_network, load_dataset("digits"), settings)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_the_examples_are_the_lowest_the_median_and_the_highest_share_with_their_own_images_and_logits(arrays, kind):
    shares, rows = arrays[f"frequency/{kind}/fixed_band"], arrays[f"examples/{kind}/row"]
    assert shares[rows[[0, 2]]].tolist() == [shares.min(), shares.max()]
    assert (shares < shares[rows[1]]).sum() <= len(shares) / 2 and (shares > shares[rows[1]]).sum() <= len(shares) / 2
    lengths = arrays[f"frequency/{kind}/samples"][rows]
    for number, logits in enumerate(np.split(arrays[f"examples/{kind}/logits"], lengths.cumsum()[:-1])):
        signals = torch.from_numpy(logits).double().softmax(-1)
        share = high_frequency_share(amplitude_spectrum(signals))
        assert share == pytest.approx(arrays[f"frequency/{kind}/share"][rows[number]], abs=1e-5)
        for end, name in enumerate(("first_image", "second_image")):
            own = load_dataset("digits").test.images[arrays[f"frequency/{kind}/{name}"][rows[number]]]
            assert np.array_equal(arrays[f"examples/{kind}/images"][number, end], own)


@pytest.mark.parametrize("kind", KINDS)
def test_class_probabilities_are_kept_along_every_path_in_their_order_also_over_rounds(arrays, kind):
    kept, lengths = arrays[f"frequency/{kind}/probabilities"], arrays[f"frequency/{kind}/samples"]
    assert kept.dtype == np.float16 and kept.shape == (lengths.sum(), 10)
    paths = np.split(kept.astype(np.float64), lengths.cumsum()[:-1])
    crossings = [(np.diff(path.argmax(1)) != 0).sum() for path in paths]
    assert np.mean(crossings == arrays[f"frequency/{kind}/crossings"]) > 0.9  # two nearly equal ones may round alike
    moved = [np.abs(np.diff(path, axis=0)).sum() / (2.0 * (len(path) - 1)) for path in paths]
    assert moved == pytest.approx(arrays[f"frequency/{kind}/total_variation"], abs=1e-3)


def test_without_being_asked_for_no_path_is_kept():
    _, found = measure_function(random_network, load_dataset("digits"), MeasureSettings(pairs=1, spacing=4.0))
    assert not [name for name in found if name.endswith("/probabilities")]


def test_paths_without_a_share_are_passed_over_and_where_none_has_one_the_released_share_decides():
    shares = np.array([np.nan, 0.3, 0.1, 0.2, np.nan])
    assert extreme_and_median(shares, shares).tolist() == [2, 3, 1]
    assert extreme_and_median(np.full(5, np.nan), np.arange(5.0)).tolist() == [0, 2, 4]
    assert extreme_and_median(np.array([0.5]), np.array([0.5])).tolist() == [0, 0, 0]


def test_every_key_is_documented(arrays):
    """By its last name, beside the places that it has them in."""
    said = (Path(__file__).parents[3] / "docs" / "measurements.md").read_text()
    table = said[said.index("### The npz, key by key") : said.index("### Images")]
    names = {name.split("/")[-1] for name in arrays if "/standard_error/" not in name}
    assert not [name for name in names if f"{name}`" not in table]

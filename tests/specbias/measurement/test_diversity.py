"""Diversity inside classes: an independent twin of every measure, its laws, closed forms, and a network's features."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from scipy.linalg import eigh
from scipy.spatial import KDTree
from scipy.spatial.distance import pdist, squareform
from torch import nn

from specbias.data import Data, Split
from specbias.measurement.diversity import (
    MEASURES,
    PRIMARY,
    class_diversity,
    diversity,
    features,
    primary,
)
from specbias.models import build_model
from specbias.settings import SettingError

SIZE, CLASSES = 4, 3
PIXELS = 3 * SIZE * SIZE


def data_of(images, labels):
    none = Split(images[:0], labels[:0])
    return Data(Split(images, labels), none, none, mean=(0.5,) * 3, std=(0.25,) * 3, num_classes=CLASSES)


@pytest.fixture
def noise():
    """Images of three classes whose pixels are independent with standard deviations of 10, 20 and 40 levels."""
    generator = torch.Generator().manual_seed(0)
    spread = torch.tensor([10.0, 20.0, 40.0]).repeat_interleave(400)
    pixels = torch.randn(1200, 3, SIZE, SIZE, generator=generator) * spread[:, None, None, None] + 128
    return data_of(pixels.round().clamp(0, 255).byte(), torch.arange(3).repeat_interleave(400))


@pytest.fixture
def cloud():
    """60 points in 300 dimensions, away from the origin, with standard deviations from 0.1 to 3."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(60, 300, generator=generator) * torch.linspace(0.1, 3, 300) + 1


def sheet(dimension, count=1500):
    """Points of a uniform sheet in 50 dimensions."""
    generator = torch.Generator().manual_seed(dimension)
    basis, _ = torch.linalg.qr(torch.randn(50, dimension, generator=generator, dtype=torch.float64))
    return torch.rand(count, dimension, generator=generator, dtype=torch.float64) @ basis.T


def values(found, names=MEASURES):
    return [found[name] for name in names]


def test_independent_pixels_have_their_variance_in_every_direction(noise):
    found = class_diversity(noise, noise.train)
    variance = np.array([10, 20, 40]) ** 2 / (255 * 0.25) ** 2  # of a pixel in normalised units
    assert found[PRIMARY] == pytest.approx(PIXELS * variance, rel=0.05)
    assert found["mean_distance"] == pytest.approx(np.sqrt(2 * PIXELS * variance), rel=0.05)
    # The eigenvalues of N samples of D equal ones spread (Marchenko-Pastur): D N / (N + D) directions.
    assert found["participation_ratio"] == pytest.approx(PIXELS * 400 / (400 + PIXELS), rel=0.05)


def test_every_measure_has_its_twin(cloud):
    found, points = diversity(cloud), cloud.double().numpy()
    assert tuple(found) == MEASURES
    covariance = np.cov(points.T, bias=True)
    assert found["total_variance"] == pytest.approx(np.trace(covariance))
    assert found["mean_distance"] == pytest.approx(pdist(points).mean())
    spread = eigh(covariance, eigvals_only=True)
    assert found["participation_ratio"] == pytest.approx(spread.sum() ** 2 / (spread**2).sum())
    share = eigh(1 - squareform(pdist(points, "cosine")), eigvals_only=True) / len(points)
    share = share[share > 0]
    assert found["vendi"] == pytest.approx(np.exp(-(share * np.log(share)).sum()))
    _, first, second = KDTree(points).query(points, k=3)[0].T
    assert found["intrinsic_dimension"] == pytest.approx((len(points) - 1) / np.log(second / first).sum())


def test_points_are_as_diverse_turned_scaled_and_in_another_order(cloud):
    found = diversity(cloud)
    generator = torch.Generator().manual_seed(2)
    turn, _ = torch.linalg.qr(torch.randn(300, 300, generator=generator, dtype=torch.float64))
    turned = diversity(3 * cloud.double() @ turn)
    unit = {"total_variance": 9, "mean_distance": 3}
    for name in MEASURES:
        assert turned[name] == pytest.approx(unit.get(name, 1) * found[name], rel=1e-6)
    shuffled = diversity(cloud[torch.randperm(len(cloud), generator=generator)])
    assert values(shuffled) == pytest.approx(values(found))
    away = diversity(cloud + 100)  # all but Vendi's angles, which are seen from the origin
    assert values(away, ("total_variance", "participation_ratio", "intrinsic_dimension")) == pytest.approx(
        values(found, ("total_variance", "participation_ratio", "intrinsic_dimension")), rel=1e-4
    )
    assert away["vendi"] < 1.01 < found["vendi"]


@pytest.mark.parametrize("offset", [1e3, 1e8])
def test_far_from_the_origin_small_differences_are_what_they_are(offset):
    """Seven equal directions of spread 1e-4, exact in float64 after the offset; seen from the origin all is one."""
    generator = torch.Generator().manual_seed(4)
    step = 2.0**-13 if offset < 1e6 else 2.0**-10
    small = torch.randn(200, 7, generator=generator, dtype=torch.float64).mul(1000).round() * step / 1000
    small = (small / torch.tensor(np.spacing(offset))).round() * np.spacing(offset)  # floats there
    near, far = diversity(small), diversity(small + offset)
    names = [name for name in MEASURES if name != "vendi"]  # whose angles are seen from the origin
    assert values(far, names) == pytest.approx(values(near, names), rel=1e-6)
    assert near["participation_ratio"] > 6.5 and far["vendi"] == pytest.approx(1)


def test_a_point_that_is_not_finite_is_one_line():
    points = torch.ones(5, 3)
    points[2, 1], points[3, 0] = float("nan"), float("inf")
    with pytest.raises(FloatingPointError, match="^2 of 5 points are not finite$"):
        diversity(points)


def test_points_in_parts_are_the_same_points(cloud, monkeypatch):
    whole = diversity(cloud)
    monkeypatch.setattr("specbias.measurement.diversity.COORDINATES", 7)
    assert values(diversity(cloud), MEASURES) == pytest.approx(values(whole, MEASURES))


@pytest.mark.parametrize("dimension", [2, 5])
def test_the_dimension_of_a_sheet_is_found_in_fifty(dimension):
    """The tolerance: two standard errors, dimension / sqrt(N) each, and the sheet's edge, where neighbours lack."""
    found = diversity(sheet(dimension))
    assert found["intrinsic_dimension"] == pytest.approx(dimension, rel=2 / np.sqrt(1500) + 0.02 * dimension)


def test_a_point_that_comes_twice_tells_nothing_of_the_dimension():
    points = sheet(2, count=100)
    once = diversity(points)
    twice = diversity(torch.cat([points, points[:50], points[:10] + 1e-9]))
    assert twice["intrinsic_dimension"] == pytest.approx(once["intrinsic_dimension"])
    assert twice["total_variance"] != pytest.approx(once["total_variance"], rel=1e-3)


def test_as_many_points_as_directions_is_the_most_and_one_direction_the_least():
    found = diversity(5 * torch.eye(20))
    assert found["vendi"] == pytest.approx(20) and found["participation_ratio"] == pytest.approx(19)
    assert np.isnan(found["intrinsic_dimension"])  # no neighbour is nearer than another
    along = diversity(torch.arange(1, 21)[:, None] * torch.ones(30))  # one direction, seen from the origin
    assert along["vendi"] == pytest.approx(1) and along["participation_ratio"] == pytest.approx(1)
    same = diversity(torch.full((20, 30), 0.3))
    assert values(same, ("total_variance", "mean_distance", "vendi")) == pytest.approx([0, 0, 1])
    assert np.isnan(values(same, ("participation_ratio", "intrinsic_dimension"))).all()
    assert diversity(torch.eye(20)[:2] * torch.tensor([[1.0], [0.0]]))["vendi"] == pytest.approx(2)  # one is the origin


def test_one_direction_counts_as_one_and_few_images_are_the_same_as_their_gram_matrix():
    shade = torch.arange(0, 200, 2)[:, None, None, None].expand(100, 3, SIZE, SIZE).byte()
    found = class_diversity(data := data_of(shade, torch.zeros(100).long()), data.train)
    assert found["participation_ratio"][0] == pytest.approx(1, abs=1e-4)
    few = class_diversity(data := data_of(shade[:10], torch.zeros(10).long()), data.train)  # fewer than pixels
    assert few["participation_ratio"][0] == pytest.approx(1, abs=1e-4)
    # two images at distance d: total variance d^2 / 4, and every pair of different ones is that pair
    two = class_diversity(data := data_of(shade[[0, 50]], torch.zeros(2).long()), data.train)
    distance = 100 / (255 * 0.25) * np.sqrt(PIXELS)
    assert two["mean_distance"][0] == pytest.approx(distance) and two[PRIMARY][0] == pytest.approx(distance**2 / 4)


def test_a_class_of_one_image_or_none_has_no_diversity(noise):
    one = data_of(noise.train.images[:401], noise.train.labels[:401])
    found = class_diversity(one, one.train)
    assert tuple(found) == MEASURES
    for column in found.values():
        assert np.isfinite(column[0]) and np.isnan(column[1:]).all()


def test_the_primary_measure_is_of_features_where_there_are_any():
    assert primary(MEASURES) == PRIMARY == "total_variance"
    assert primary([*MEASURES, *(f"feature_{name}" for name in MEASURES)]) == "feature_mean_distance"


def test_features_are_what_the_last_layer_sees_and_the_network_is_left_as_it_was():
    torch.manual_seed(0)
    model = build_model("small_cnn", num_classes=3, image_size=32, width=4, dropout=0.5)
    images = torch.randn(7, 3, 32, 32)
    model(images)  # so that batch norm has seen something
    model.features.eval()  # one part as in evaluation, the rest in training
    before, modes = deepcopy(model.state_dict()), [module.training for module in model.modules()]
    found = features(model, images, batch_size=3)
    assert modes == [module.training for module in model.modules()] and not model.classifier._forward_pre_hooks
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    with torch.no_grad():
        by_hand = model.features(images).mean(dim=(2, 3))
    assert found.shape == (7, 16) and found.dtype == torch.float32
    assert torch.allclose(found, by_hand / by_hand.norm(dim=1, keepdim=True), atol=1e-6)
    assert torch.allclose(found, features(model, images, batch_size=7), atol=1e-6)


def test_of_several_linear_layers_the_last_one_counts():
    torch.manual_seed(0)
    body = nn.Sequential(nn.Flatten(), nn.Linear(48, 5), nn.Tanh())
    images = torch.randn(4, 3, 4, 4)
    found = features(nn.Sequential(body, nn.Linear(5, 2)), images, batch_size=4)
    assert torch.allclose(found, nn.functional.normalize(body(images), dim=1))


def test_a_network_without_a_linear_layer_or_with_broken_weights_has_no_features():
    bare = nn.Sequential(nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(SettingError, match="Sequential has no linear layer"):
        features(bare, torch.zeros(1, 3, 8, 8), batch_size=1)
    broken = nn.Sequential(bare, nn.Linear(2, 3))
    bare[0].weight.data.fill_(float("nan"))
    with pytest.raises(FloatingPointError, match="features are not finite"):
        features(broken, torch.zeros(1, 3, 8, 8), batch_size=1)

"""Noise on curved and flat manifolds: what differs between trials, what is the same, and which is fitted faster."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from specbias.settings import SettingError
from specbias.synthetic.config import CurvatureConfig
from specbias.synthetic.curvature import build_curvature, geometry
from specbias.synthetic.run import run_experiment

SMALL = {"runs": 2, "steps": 10, "record_every": 10, "samples": 60, "width": 8, "depth": 3, "threads": 1}


def facts(**settings):
    return build_curvature(CurvatureConfig(**SMALL | {"autoencoder_updates": 100} | settings)).facts


def test_labels_are_the_same_uniform_noise_on_every_manifold():
    curved, flat, scaled = (facts(inputs=inputs, samples=1_000) for inputs in ("curved", "flat", "scaled"))
    assert np.array_equal(curved["targets"], flat["targets"]) and np.array_equal(curved["targets"], scaled["targets"])
    labels = flat["targets"]
    assert labels.shape == (2, 1_000) and abs(np.corrcoef(labels)[0, 1]) < 0.1
    assert labels.min() >= 0 and labels.max() < 1 and abs(labels.mean() - 0.5) < 0.02
    assert labels.var() == pytest.approx(1 / 12, rel=0.05)


def test_flat_inputs_are_uniform_on_as_many_axes_as_the_code_has():
    inputs = facts(inputs="flat", code=5, samples=1_000)["inputs"]
    assert inputs.shape == (1_000, 64) and not inputs[:, 5:].any()
    assert np.allclose(inputs[:, :5].mean(axis=0), 0.5, atol=0.04)
    assert np.allclose(inputs[:, :5].var(axis=0), 1 / 12, rtol=0.1)


def test_scaled_inputs_are_flat_ones_with_neighbours_as_far_apart_as_curved_ones():
    curved, flat, scaled = (facts(inputs=inputs) for inputs in ("curved", "flat", "scaled"))
    ratio = curved["nearest_distance"] / flat["nearest_distance"]
    assert np.allclose(scaled["inputs"], flat["inputs"] * ratio)
    assert scaled["nearest_distance"] == pytest.approx(curved["nearest_distance"], rel=1e-5)


def test_distances_are_those_of_scipy_and_scikit_learn():
    inputs = facts(inputs="flat")["inputs"]
    found = geometry(torch.from_numpy(inputs))
    nearest, _ = NearestNeighbors(n_neighbors=2).fit(inputs).kneighbors(inputs)
    assert found["mean_distance"].item() == pytest.approx(pdist(inputs).mean())
    assert found["nearest_distance"].item() == pytest.approx(nearest[:, 1].mean(), rel=1e-5)
    assert found["mean_norm"].item() == pytest.approx(np.linalg.norm(inputs, axis=1).mean(), rel=1e-5)


def test_reconstructions_explain_the_digits_within_what_as_many_dimensions_can():
    few, more = (facts(code=code, autoencoder_updates=400, samples=1_797) for code in (2, 16))
    linear = PCA(16).fit(load_digits().data).explained_variance_ratio_
    assert few["explained_variance"] < more["explained_variance"]
    assert linear[:4].sum() < more["explained_variance"] < 1
    digits = load_digits().data / 16
    share = more["reconstruction_error"] / ((digits - digits.mean(axis=0)) ** 2).mean()
    assert share == pytest.approx(1 - more["explained_variance"], rel=1e-4)
    nearest = NearestNeighbors(n_neighbors=1).fit(digits).kneighbors(more["inputs"], return_distance=False)
    assert len(np.unique(nearest)) > 600  # many images, not a few


def test_the_manifold_is_the_same_each_time_and_global_randomness_is_left_alone():
    before = torch.random.get_rng_state()
    first, again, other = facts(), facts(), facts(seed=1)
    assert torch.equal(before, torch.random.get_rng_state())
    assert np.array_equal(first["inputs"], again["inputs"])
    assert not np.allclose(first["inputs"], other["inputs"])


def test_a_code_is_smaller_than_an_image_and_samples_are_no_more_than_images():
    assert (CurvatureConfig().dimensions, CurvatureConfig(dataset="mnist").dimensions) == (32, 64)
    for settings, said in (({"code": 64}, "below 64"), ({"samples": 1_798}, "1797"), ({"dataset": "svhn"}, "mnist")):
        with pytest.raises(SettingError, match=said):
            CurvatureConfig(**settings)


@pytest.mark.nightly
def test_noise_is_fitted_faster_on_a_flat_manifold_of_many_dimensions_than_on_a_curved_one():
    shared = {"steps": 450, "record_every": 50, "samples": 300, "width": 48, "learning_rate": 1e-3, "depth": 4}
    ends = {}
    for inputs in ("curved", "scaled", "flat"):
        config = CurvatureConfig(**SMALL | shared | {"autoencoder_updates": 500, "inputs": inputs, "runs": 3})
        *_, (_, last) = run_experiment(config)
        ends[inputs] = last.arrays["loss"]
    assert (ends["flat"][:, 4:] < ends["curved"][:, 4:]).all()
    assert (ends["scaled"][:, -1] < ends["curved"][:, -1]).all()

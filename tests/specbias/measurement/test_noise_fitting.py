"""Noise fitting against twins in numpy, the paper's analytic values, and predictors planted to fit or not to fit."""

import json
import math

import numpy as np
import pytest
import torch
from torch import nn

from specbias.data import load_data
from specbias.measurement import measure, probes_of
from specbias.measurement.noise_fitting import losses_of_smoothing
from specbias.models import build_model
from specbias.training.label_noise import build_label_noise
from specbias.trials.trial import run_trial

NOISE = {"label_noise": 0.2, "noise_frequency": 0.05, "probe_pairs": 0, "train_size": 300}


def measured(model, config):
    data = load_data(config)
    noise = build_label_noise(config, data)
    probes = probes_of(config, data)
    return measure(model, data, probes, config=config, step=0, noise=noise), data, noise


class Planted(nn.Module):
    """Knows every label and says log of what `smoothed(images)` leaves of it: the logits of y'."""

    def __init__(self, data, smoothed):
        super().__init__()
        splits = (data.train, data.validation, data.test)
        self.labels = {
            image.numpy().tobytes(): label
            for split in splits
            for image, label in zip(data.normalise(split.images), split.labels, strict=True)
        }
        self.smoothed = smoothed

    def forward(self, images):
        labels = torch.stack([self.labels[image.contiguous().numpy().tobytes()] for image in images])
        share = self.smoothed(images).view(-1, 1)
        return ((1 - share) * torch.eye(10)[labels] + share / 10).log().float()


@pytest.mark.parametrize(
    ("strength", "constant", "perfect"),
    [
        (0.05, (0.0460, 0.2824, -0.2364), (0.0466, 0.2681, -0.2215)),
        (0.1, (0.0943, 0.5003, -0.4060), (0.0968, 0.4704, -0.3737)),
        (0.2, (0.1985, 0.8669, -0.6684), (0.2107, 0.8017, -0.5910)),
        (0.3, (0.3147, 1.1765, -0.8618), (0.3508, 1.0682, -0.7174)),
        (0.5, (0.5978, 1.6769, -1.0791), (0.8368, 1.4364, -0.5997)),
    ],
)
def test_the_best_constant_and_the_perfect_fit_have_their_analytic_losses(strength, constant, perfect):
    """For a phase that is uniform over the images: the integral, as a sum over a fine grid."""
    phase = (torch.arange(1_000_000, dtype=torch.float64) + 0.5) / 1_000_000
    smoothing = strength * (1 + torch.sin(2 * math.pi * phase))
    for predicted, (clean, noisy, fitting) in ((smoothing.mean(), constant), (smoothing, perfect)):
        found = losses_of_smoothing(smoothing, predicted, num_classes=10)
        assert (found.clean, found.noisy) == pytest.approx((clean, noisy), abs=5.1e-5)
        assert found.clean - found.noisy == pytest.approx(fitting, abs=5.1e-5)


def test_nothing_to_smooth_and_nothing_predicted_cost_nothing():
    none = torch.zeros(3, dtype=torch.float64)
    assert losses_of_smoothing(none, none, num_classes=10) == (0, 0)


@pytest.mark.parametrize("settings", [{}, {"noise_class": 3}, {"noise_type": "random"}])
def test_the_normalised_fit_is_1_for_a_planted_wave_and_0_for_the_best_constant(small, settings):
    config = small(**NOISE | settings)
    data = load_data(config)
    noise = build_label_noise(config, data)
    found, _, _ = measured(Planted(data, noise.smoothing), config)
    assert found.metrics["noise_fitting/normalised"] == pytest.approx(1, abs=1e-3)
    assert found.metrics["noise_fitting/value"] == pytest.approx(np.subtract(*found.arrays["noise_fitting/perfect"]))
    test = data.test.labels == 3 if "noise_class" in settings else slice(None)
    mean = noise.smoothing(data.normalise(data.test.images))[test].mean()
    found, _, _ = measured(Planted(data, lambda images: mean.expand(len(images))), config)
    assert found.metrics["noise_fitting/normalised"] == pytest.approx(0, abs=1e-3)
    constant = np.subtract(*found.arrays["noise_fitting/best_constant"])
    assert found.metrics["noise_fitting/value"] == pytest.approx(constant, abs=1e-5)


@pytest.mark.parametrize("settings", [{}, {"noise_class": 3}, {"noise_normalise": "batch", "measure_batch": 100}])
def test_losses_equal_a_twin_over_all_test_images(small, settings):
    """From softmax probabilities and whole rows y', image by image; a batch's own mean is over 256 images."""
    config = small(**NOISE | settings)
    torch.manual_seed(0)
    model = build_model("small_cnn", num_classes=10, image_size=32, width=4)
    found, data, _ = measured(model, config)
    model.eval()
    twin = {}
    for name in ("train", "test"):
        split = getattr(data, name)
        images, labels = data.normalise(split.images), split.labels.numpy()
        with torch.inference_mode():
            log_p = np.log(model(images).double().softmax(1).numpy())

        def waves(split):
            norms = data.normalise(split.images).double().flatten(1).norm(dim=1).numpy()
            return 1 + np.sin(2 * np.pi * 0.05 * (norms - 55.421115476835411))

        wave, mean = waves(split), waves(data.train).mean()
        if "noise_normalise" in settings:
            parts = np.split(wave, range(256, len(wave), 256))
            mean = np.concatenate([np.full(len(part), part.mean()) for part in parts])
        share = (0.2 * wave / mean)[:, None]
        clean = np.eye(10)[labels]
        noisy = (1 - share) * clean + share / 10
        rows = labels == 3 if "noise_class" in settings else slice(None)
        twin[name] = [-(target * log_p).sum(axis=1)[rows].mean() for target in (clean, noisy)]
    metrics = found.metrics
    assert metrics["noise_fitting/value"] == pytest.approx(twin["test"][0] - twin["test"][1], rel=1e-5)
    assert metrics["noise_fitting/noisy_test_loss"] == pytest.approx(twin["test"][1], rel=1e-5)
    assert metrics["noise_fitting/noisy_train_loss"] == pytest.approx(twin["train"][1], rel=1e-5)


def test_a_uniform_prediction_has_no_noise_fitting_and_does_no_good(small):
    class Unsure(nn.Module):
        def forward(self, images):
            return torch.zeros(len(images), 10)

    found = measured(Unsure(), small(**NOISE))[0].metrics
    assert found["noise_fitting/value"] == pytest.approx(0, abs=1e-6)
    assert found["noise_fitting/normalised"] < -1


def test_predictions_of_class_0_are_not_hits_of_the_noisy_class(small):
    class Zero(nn.Module):
        def forward(self, images):
            return torch.eye(10)[0].repeat(len(images), 1)

    found, _, _ = measured(Zero(), small(**NOISE, noise_class=3))
    assert found.arrays["generalization/test_accuracy_per_class"].tolist() == [1.0] + [0.0] * 9


@pytest.mark.parametrize("flat", [{"noise_type": "uniform"}, {"noise_frequency": 1e-6}])
def test_where_there_is_nothing_to_fit_the_normalised_form_is_left_out(small, flat):
    found = [m for _, m in run_trial(small(**NOISE | flat, epochs=1))][-1]
    assert "noise_fitting/normalised" not in found.metrics
    assert np.isfinite(list(found.metrics.values())).all() and found.metrics["noise_fitting/value"] != 0


def test_a_trial_reports_the_running_minimum_and_no_path_is_measured_where_none_is_asked_for(small):
    found = [m for _, m in run_trial(small(**NOISE, epochs=4, measurement_epochs=(0, 1, 2, 3)))]
    values = [m.metrics["noise_fitting/value"] for m in found]
    assert [m.metrics["noise_fitting/min"] for m in found] == [min(values[: i + 1]) for i in range(5)]
    assert [m.arrays["noise_fitting/min_epoch"] for m in found] == [int(np.argmin(values[: i + 1])) for i in range(5)]
    assert len(set(values)) == 5
    assert len({m.metrics["noise_fitting/frequency_times_std"] for m in found}) == 1
    assert not [key for m in found for key in (*m.metrics, *m.arrays) if key.startswith("frequency/")]


def test_the_minimum_survives_a_stop(small, tmp_path):
    config = small(**NOISE, epochs=2)
    trial = run_trial(config)
    state, _ = next(trial)
    state.lowest_noise_fitting = (-123.4 / 7, 0)  # lower than what is to come
    state.save(tmp_path)
    for _, found in run_trial(config, tmp_path):
        assert found.metrics["noise_fitting/min"] == -123.4 / 7
        assert found.arrays["noise_fitting/min_epoch"] == 0
    record = json.loads((tmp_path / "state.json").read_text())
    del record["lowest_noise_fitting"]  # as an older version wrote it
    (tmp_path / "state.json").write_text(json.dumps(record))
    assert next(run_trial(config, tmp_path))[1].metrics["noise_fitting/min"] > -10

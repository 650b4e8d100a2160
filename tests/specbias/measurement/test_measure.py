"""A whole measurement: what it reports, that it changes nothing, and that its memory has a bound."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from specbias.data import load_data
from specbias.measurement import measure, probes_of
from specbias.measurement.frequency import measure_pairs
from specbias.measurement.jacobian import jacobian_norm
from specbias.measurement.pairs import choose_probes
from specbias.models import build_model
from specbias.training.label_noise import build_label_noise


def parts(config):
    data = load_data(config)
    torch.manual_seed(0)
    model = build_model(config.model, num_classes=10, image_size=32, width=config.width)
    return model, data, probes_of(config, data)


def measured(model, config):
    _, data, probes = parts(config)
    return measure(model, data, probes, config=config, step=3)


class Constant(nn.Module):
    """Says class 3 with the same confidence for every image."""

    def forward(self, images):
        return torch.eye(10)[3].repeat(len(images), 1) * 2


def test_a_constant_model_measures_zero_frequency_and_chance_accuracy(small):
    config = small()
    found = measured(Constant(), config).metrics
    assert abs(found["frequency/within_class"]) < 1e-12 and abs(found["frequency/between_class"]) < 1e-12
    labels = load_data(config).test.labels
    assert found["generalization/test_accuracy"] == pytest.approx((labels == 3).double().mean().item())


def test_measuring_leaves_weights_buffers_modes_and_random_streams_as_they_were(small):
    config = small()
    model, data, probes = parts(config)
    model.train()
    model.features[1].eval()  # a frozen layer keeps its own mode
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    random, numpy_random = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    measure(model, data, probes, config=config, step=0)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert [module.training for module in model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), random)
    assert np.array_equal(np.random.get_state()[1], numpy_random)  # noqa: NPY002


def test_accuracy_loss_and_gap_equal_a_twin(small):
    config = small()
    model, data, probes = parts(config)
    found = measure(model, data, probes, config=config, step=0).metrics
    model.eval()
    for name, split in (("train", data.train), ("validation", data.validation), ("test", data.test)):
        with torch.inference_mode():
            logits = model(data.normalise(split.images)).double()
        right = logits.argmax(1) == split.labels
        losses = -logits.log_softmax(1)[range(len(right)), split.labels]
        assert found[f"generalization/{name}_accuracy"] == pytest.approx(right.double().mean().item())
        assert found[f"generalization/{name}_loss"] == pytest.approx(losses.mean().item(), rel=1e-5)
    assert found["generalization/test_accuracy/no_probe"] == pytest.approx(right[~probes.supply].double().mean().item())
    gap = found["generalization/train_accuracy"] - found["generalization/test_accuracy"]
    assert found["generalization/gap"] == pytest.approx(gap)


def test_frequencies_are_the_means_of_the_paths_in_the_arrays(small):
    config = small(probe_pairs=2)
    found = measured(parts(config)[0], config)
    for kind, paths in (("within_class", 20), ("between_class", 90)):
        shares = found.arrays[f"frequency/{kind}/share"]
        assert shares.shape == (paths,) and np.all((shares >= 0) & (shares <= 1))
        assert found.metrics[f"frequency/{kind}"] == pytest.approx(shares.mean())
        assert found.arrays[f"frequency/{kind}/spectrum"][0] == pytest.approx(0.1, abs=1e-4)  # probabilities sum to 1
    assert found.step == 3


def test_each_share_and_the_mean_spectrum_are_those_of_the_pairs_they_stand_beside(small):
    """Against one path after another, in numpy, from the images named in the arrays."""
    config = small(spacing=1.0)
    model, data, _ = parts(config)
    found = measured(model, config).arrays
    model.eval()
    for kind in ("within_class", "between_class"):
        spectra = []
        for first, second, share, distance in zip(
            *(found[f"frequency/{kind}/{name}"] for name in ("first_image", "second_image", "share", "distance")),
            strict=True,
        ):
            start, end = data.normalise(data.test.images[[first, second]])
            weight = torch.arange(np.ceil(distance)).view(-1, 1, 1, 1) / distance
            with torch.inference_mode():
                signal = model((1 - weight) * start + weight * end).softmax(1).double().numpy()
            amplitude = np.abs(np.fft.rfft(signal, axis=0)).mean(axis=1)
            threshold = int(np.ceil(0.1 * len(amplitude)))
            assert share == pytest.approx(amplitude[threshold:-1].sum() / amplitude.sum(), abs=1e-6)
            bins, axis = np.arange(1, len(amplitude)) / len(signal), found["frequency/axis"][1:]
            spectra.append(np.append(amplitude[0], np.interp(axis, bins, amplitude[1:])) / len(signal))
        assert found[f"frequency/{kind}/spectrum"] == pytest.approx(np.mean(spectra, axis=0), abs=1e-6)
        assert np.ptp(found[f"frequency/{kind}/share"]) > 0  # the pairs can be told apart


def test_the_measuring_batch_changes_nothing_but_rounding(small):
    first, second = (measured(parts(small())[0], small(measure_batch=size)).metrics for size in (11, 500))
    assert first == pytest.approx(second, abs=1e-6)


def test_an_output_that_is_not_finite_is_said(small):
    class Broken(nn.Module):
        def forward(self, images):
            return torch.full((len(images), 10), float("nan"))

    with pytest.raises(FloatingPointError, match="output is not finite"):
        measured(Broken(), small())


def test_a_legacy_split_reports_no_validation(small):
    found = measured(Constant(), small(legacy_split=True)).metrics
    assert not [key for key in found if "validation" in key]


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_pairs():
    """Peak memory with 14 times the pairs; all their images at once would be 500 MB more."""
    code = (
        "import resource, sys, torch\n"
        "from specbias.settings.config import TrialConfig\n"
        "from specbias.trials.trial import run_trial\n"
        "settings = dict(dataset='digits', model='small_cnn', width=2, batch_size=2)\n"
        "next(run_trial(TrialConfig(**settings, probe_pairs=int(sys.argv[1]))))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)\n"
    )
    peaks = [
        float(subprocess.run([sys.executable, "-c", code, pairs], check=True, capture_output=True, text=True).stdout)
        for pairs in ("1", "14")
    ]
    assert peaks[1] < peaks[0] + 40, peaks


@pytest.mark.parametrize(
    "settings",
    [
        {"pairing": "official"},
        {"probe_split": "validation"},
        {"spacing": 2.0},
        {"path_samples": 9},
        {"signal": "margin"},
        {"band": 0.1},
        {"probe_seed": 5},
        {"precision": "bf16", "measure_precision": "float32"},
        {"measure_precision": "corrected"},  # of few paths all are in float32
    ],
)
def test_every_setting_of_the_paths_is_kept_to_in_a_trial(small, settings):
    """Against the function underneath, called with that setting by its own name."""
    config = small(probe_pairs=2, **settings)
    model, data, _ = parts(config)
    found = measure(model, data, probes_of(config, data), config=config, step=0).arrays
    names = {"probe_split": "split", "probe_seed": "seed"}
    others = ("signal", "band", "precision", "measure_precision")
    asked = {names.get(k, k): v for k, v in settings.items() if k not in others}
    probes = choose_probes(data, pairs=2, **{"spacing": config.spacing} | asked)
    model.eval()
    split = getattr(data, probes.split)
    with torch.inference_mode():
        correct = model(data.normalise(split.images)).argmax(1) == split.labels
        twin = measure_pairs(
            model,
            data,
            probes,
            probes.within_class,
            correct=correct,
            signal=settings.get("signal", "probabilities"),
            band=settings.get("band", 0.05),
            batch_size=256,
        )
    for name in ("share", "total_variation", "mirror/mean_frequency"):
        assert found[f"frequency/within_class/{name}"] == pytest.approx(twin.scalars[name], rel=1e-4, abs=1e-7)
    high = found["frequency/within_class/mirror/fixed_band"]
    assert high == pytest.approx(twin.scalars["mirror/fixed_band"], rel=0.05, nan_ok=True) and np.nanmean(high) > 1e-3
    assert np.array_equal(found["frequency/within_class/first_image"], probes.within_class.first.numpy())
    if settings.get("precision") != "bf16":
        assert np.array_equal(found["frequency/within_class/first_correct"], twin.scalars["first_correct"])


def test_measuring_in_bf16_is_another_number(small):
    first, second = (
        measured(parts(small())[0], small(measure_precision=precision)).metrics[
            "frequency/between_class/total_variation"
        ]
        for precision in ("float32", "bf16")
    )
    assert first != second


def test_corrected_is_float32_in_a_trial_of_many_paths_and_changes_nothing_else(small):
    config = small(probe_pairs=3, measure_precision="corrected", jacobian_images=2)
    model, data, probes = parts(config)
    before = [{*vars(module)} for module in model.modules()]
    corrected, exact, half = (
        measure(model, data, probes, config=dataclasses.replace(config, **more), step=0)
        for more in ({}, {"measure_precision": "float32"}, {"measure_precision": "bf16"})
    )
    assert [{*vars(module)} for module in model.modules()] == before
    assert corrected.metrics.keys() == exact.metrics.keys()
    for name in ("mirror", "hann", "total_variation"):
        key = f"frequency/between_class/{name}"
        away = abs(corrected.metrics[key] - exact.metrics[key])
        assert away < 4 * corrected.arrays[f"frequency/between_class/correction_error/{name}"]
        assert away < abs(half.metrics[key] - exact.metrics[key]) / 2
    assert corrected.metrics["jacobian_norm"] == exact.metrics["jacobian_norm"]
    stands_for = corrected.arrays["frequency/between_class/stands_for"]
    assert stands_for.shape == (135,) and 40 <= (stands_for > 0).sum() < 135 and stands_for.sum() == pytest.approx(135)


def test_half_precision_that_is_not_finite_is_said_once(small, monkeypatch):
    config = small(probe_pairs=1, measure_precision="corrected")
    model, data, probes = parts(config)
    exact = measure(model, data, probes, config=dataclasses.replace(config, measure_precision="float32"), step=0)
    own = type(model).forward
    half = torch.is_autocast_enabled
    monkeypatch.setattr(type(model), "forward", lambda self, x: own(self, x) / (0 if half("cpu") else 1))
    with pytest.warns(UserWarning, match="not finite: it is measured in float32"):
        found = measure(model, data, probes, config=config, step=0)
    assert found.metrics == pytest.approx(exact.metrics)


def test_what_is_reported_of_paths_is_the_same_whatever_else_is_measured(small):
    """Beside label noise, a Jacobian, a second test set and probes of another split; the Jacobian of test images."""
    config = small(jacobian_images=3, label_noise=0.2, probe_pairs=1)
    model, data, probes = parts(config)
    plain = measure(model, data, probes, config=small(probe_pairs=1), step=0).metrics
    data = dataclasses.replace(data, extra=data.validation)
    both = {"probes": probes_of(small(probe_split="validation", probe_pairs=1), data), "test_probes": probes}
    found = measure(model, data, config=config, step=0, noise=build_label_noise(config, data), **both).metrics
    paths, others = (
        {key for key in metrics if key.startswith("frequency/") and not key.endswith(("/ends_correct", "/test_probes"))}
        for metrics in (plain, found)
    )
    assert paths == others and len(paths) == 18
    assert {"jacobian_norm", "noise_fitting/frequency_times_std", "generalization/extra_accuracy"} <= found.keys()
    assert found["jacobian_norm"] == pytest.approx(
        jacobian_norm(model.eval(), data.normalise(data.test.images[:3]), batch_size=3), rel=1e-5
    )


def test_nothing_is_nan_where_probes_use_every_image_and_classes_lack_training_images(small):
    config = small(train_size=30, pairing="official", probe_pairs=1)
    model, data, _ = parts(config)
    rows = torch.cat([(data.test.labels == label).nonzero().flatten()[:2] for label in range(10)])
    few = dataclasses.replace(data, test=type(data.test)(*(part[rows] for part in data.test)))
    lacking = few.train.labels != 3
    few = dataclasses.replace(few, train=type(few.train)(*(part[lacking] for part in few.train)))
    found = measure(model, few, probes_of(config, few), config=config, step=0)
    assert "generalization/test_accuracy/no_probe" not in found.metrics
    assert all(np.isfinite(value) for value in found.metrics.values())
    assert all(np.isfinite(v).all() for k, v in found.arrays.items() if v.dtype.kind != "U" and "/width" not in k)
    assert found.arrays["generalization/train_images_per_class"][3] == 0

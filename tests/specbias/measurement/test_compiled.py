"""A compiled network against itself: the same numbers to rounding, on full batches alone, and without it where not."""

import dataclasses
import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from specbias.data import load_data
from specbias.measurement import compiled, evaluating, measure, probes_of
from specbias.measurement.compiled import Compiled
from specbias.measuring import measure as measure_network
from specbias.models import build_model
from specbias.settings import SettingError
from specbias.settings.config import TrialConfig
from specbias.settings.measurement import NetworkConfig
from specbias.training.execution import use_device


class Linear(nn.Module):
    """Logits of eight pixels."""

    def __init__(self):
        super().__init__()
        self.last = nn.Linear(8, 3)

    def forward(self, images):
        return self.last(images.flatten(1)[:, :8])


@pytest.fixture
def asked(monkeypatch):
    """How many images the compiled network was asked about, each time; `torch.compile` changes what is in `asked`."""
    seen, changed = [], {"by": 0.0, "fails": None}

    def compile(function, **options):
        def faster(images):
            seen.append(len(images))
            if changed["fails"]:
                raise changed["fails"]
            return function(images) + changed["by"]

        return faster

    monkeypatch.setattr(torch, "compile", compile)
    return seen, changed


def images(count):
    return torch.randn(count, 3, 4, 4, generator=torch.Generator().manual_seed(count))


def test_full_batches_alone_are_compiled_and_none_that_gradients_are_asked_of(asked):
    seen, changed = asked
    changed["by"] = 1e-7
    network = Linear()
    with evaluating(network, "cpu", "float32", compiled_for=5) as predict:
        for count in (5, 3, 5, 1, 8):
            moved = predict(images(count)) - network(images(count).contiguous(memory_format=torch.channels_last))
            assert bool(moved.any()) == (count == 5) and moved.abs().max() < 3e-7
        with torch.inference_mode(False), torch.enable_grad():
            assert predict(images(5).requires_grad_()).requires_grad
    assert seen == [5, 5]


def test_half_precision_is_not_compiled(asked):
    with evaluating(Linear(), "cpu", "bf16", compiled_for=5) as predict:
        predict(images(5))
    assert not asked[0]


def test_a_network_that_cannot_be_compiled_is_measured_as_it_is_and_asked_once(asked):
    seen, changed = asked
    changed["fails"] = RuntimeError("No working C++ compiler\nand more")
    network = Linear()
    for _ in range(2):
        said = pytest.warns(UserWarning, match="^the network is not compiled: RuntimeError: No working C.. compiler ")
        with said, evaluating(network, "cpu", "float32", compiled_for=5) as predict:
            answers = [predict(images(5)) for _ in range(2)]
        assert all(torch.equal(each, network(images(5))) for each in answers)
    assert seen == [5]


def test_a_compiled_network_that_answers_otherwise_is_not_used(asked):
    seen, changed = asked
    for by, used in ((1e-4, False), (float("nan"), False), (1e-7, True)):
        changed["by"] = by
        ask = Compiled(network := Linear(), network, size=5)
        with torch.no_grad():
            assert torch.equal(ask(images(5)), network(images(5)) + (by if used else 0))
        assert ask.failure == (None if used else "the network is not compiled: it answers otherwise")


def test_an_answer_that_is_not_finite_is_no_failure_of_compiling(asked):
    network = Linear()
    nn.init.constant_(network.last.bias, torch.nan)
    ask = Compiled(network, network, size=5)
    with torch.no_grad():
        assert ask(images(5)).isnan().all() and ask.failure is None


@pytest.mark.parametrize(
    "settings", [{"device": "cuda"}, {"precision": "bf16"}, {"measure_precision": "corrected"}], ids=str
)
def test_nothing_but_float32_on_a_cpu_is_compiled(settings):
    with pytest.raises(SettingError, match="measure_compile=True: must be with device=cpu and measure_precision=float"):
        TrialConfig(measure_compile=True, **settings)
    TrialConfig(measure_compile=True, precision="bf16", measure_precision="float32")


@pytest.mark.parametrize("settings", [{"device": "cuda"}, {"precision": "bf16"}, {"precision": "corrected"}], ids=str)
def test_nothing_but_float32_on_a_cpu_is_compiled_when_measuring_alone(settings):
    with pytest.raises(SettingError, match="compile=True: must be with device=cpu and precision=float32: nothing else"):
        NetworkConfig(compile=True, **settings)


def test_what_was_compiled_is_kept_beside_other_caches(monkeypatch, tmp_path):
    monkeypatch.setenv("SPECBIAS_CACHE_DIR", str(tmp_path))
    assert compiled.cache_directory() == tmp_path / "compiled"
    monkeypatch.delenv("SPECBIAS_CACHE_DIR")
    assert str(compiled.cache_directory()).endswith(".cache/specbias/compiled")


def test_a_place_that_somebody_has_named_is_kept_to(monkeypatch, tmp_path):
    monkeypatch.setenv(compiled.CACHE, str(tmp_path))
    compiled.keep_what_is_compiled()
    assert os.environ[compiled.CACHE] == str(tmp_path)


@pytest.mark.slow
def test_it_is_kept_there_though_torch_has_named_a_place_itself(tmp_path):
    """As in a trial, where training has imported torch._dynamo before anything is measured."""
    environment = {name: value for name, value in os.environ.items() if name != compiled.CACHE}
    environment |= {"SPECBIAS_CACHE_DIR": "own", "PYTHONPATH": os.getcwd()}
    lines = ["import torch._dynamo", *WITHOUT.splitlines()]
    subprocess.run([sys.executable, "-c", "\n".join(lines)], env=environment, cwd=tmp_path, check=True)
    place, files = tmp_path / "own" / "compiled", [*tmp_path.rglob("*.cpp")]
    assert files and all(file.is_relative_to(place) for file in files)


def test_a_network_that_is_measured_alone_is_compiled_or_its_record_says_why_not(asked):
    seen, changed = asked
    changed["fails"] = RuntimeError("too new")
    use_device("cpu", threads=1)
    network = build_model("small_cnn", num_classes=10, image_size=32, width=1)
    how = {"compile": True, "pairs": 1, "spacing": 9.0, "band": 0.02, "batch_size": 100, "quiet": True}
    record = measure_network(network, "digits", **how).record
    assert seen == [100]
    assert sum(note.startswith("the network is not compiled: RuntimeError: too new") for note in record["notes"]) == 1
    with pytest.raises(SettingError, match="compile=True: must be for a torch module: a function is not compiled"):
        measure_network(lambda images: network(images), "digits", **how)


@pytest.mark.slow
def test_a_compiled_measurement_differs_by_rounding_repeats_and_changes_nothing(small):
    """For two networks of the same layers, and after training, it is compiled once."""
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    use_device("cpu", threads=1)  # as a trial does
    config = small(width=4, probe_pairs=1, measure_batch=64, jacobian_images=2)
    data = load_data(config)
    faster = dataclasses.replace(config, measure_compile=True)
    graphs = torch._dynamo.utils.counters["stats"]
    for seed in (0, 1):
        torch.manual_seed(seed)
        network = build_model(config.model, num_classes=10, image_size=32, width=4)
        nn.init.normal_(network.classifier.weight, std=3)  # as sure as a trained one
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 1.0
        for images in data.train.images[:100].split(50):  # other statistics, as after an epoch
            network.train()(data.normalise(images))
            before, stream = {**network.state_dict()}, torch.get_rng_state()
            own, first, again = (
                measure(network, data, probes_of(config, data), config=c, step=0) for c in (config, faster, faster)
            )
            assert first.metrics == again.metrics and first.metrics != own.metrics
            np.testing.assert_equal(first.arrays, again.arrays)
            assert first.metrics == pytest.approx(own.metrics, rel=1e-5)
            assert network.training and torch.equal(stream, torch.get_rng_state())
            assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
            assert graphs["unique_graphs"] == 1


@pytest.mark.slow
def test_as_many_networks_as_one_likes_are_compiled():
    """torch gives up after eight of one function."""
    torch._dynamo.reset()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for width in range(1, 11):
            network = nn.Sequential(nn.Flatten(), nn.Linear(48, width))
            with evaluating(network, "cpu", "float32", compiled_for=5) as predict:
                assert torch.allclose(predict(images(5)), network(images(5)), atol=1e-6)


WITHOUT = """
import torch
from torch import nn
from specbias.measurement.compiled import Compiled
from specbias.measuring import measure as measure_network
network = nn.Sequential(nn.Flatten(), nn.Linear(48, 3), nn.ReLU()).eval()
ask = Compiled(network, network, size=5)
with torch.inference_mode():
    images = torch.randn(5, 3, 4, 4)
    assert torch.equal(ask(images), network(images))
print(ask.failure)
"""


@pytest.mark.slow
def test_without_a_compiler_it_is_said_that_there_is_none(tmp_path):
    environment = os.environ | {"CXX": "no-such-compiler", "TORCHINDUCTOR_CACHE_DIR": str(tmp_path)}
    said = subprocess.run([sys.executable, "-c", WITHOUT], env=environment, capture_output=True, text=True, check=True)
    assert said.stdout.startswith("the network is not compiled: InvalidCxxCompiler: No working C++ compiler found")
    assert said.stdout.count("\n") == 1

"""On a GPU nothing stays on the CPU by mistake: tried where there is no GPU.

Tensors on "cuda" have a shape here and no values (torch's FakeTensorMode); an operation that mixes them with the CPU's
is refused as a GPU refuses it. Tensors on the CPU are real. Whatever asks for a value of a GPU, to read it or to bring
it to the CPU, is given ones. torch's engine of derivatives needs the device itself: gradients are zeros here.
"""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensor,
    FakeTensorMode,
)
from torch.nn.functional import cross_entropy, one_hot
from torch.utils._pytree import tree_leaves, tree_map

from specbias.data import load_data, open_classes
from specbias.measurement import answers, evaluating, measure, probes_of, report
from specbias.measurement.class_frequency import choose_class_probes, measure_class
from specbias.measurement.diversity import MEASURES, diversity, features
from specbias.measurement.normalisation import expected_input
from specbias.models import MODELS, build_model
from specbias.settings.config import NOISE_TYPES, SIGNALS, TrialConfig
from specbias.settings.measurement import MeasureSettings
from specbias.synthetic import EXPERIMENTS, run
from specbias.synthetic.config import CONFIGS
from specbias.training import train
from specbias.training.distillation import distil_from
from specbias.training.interventions import INTERVENTIONS
from specbias.training.label_noise import build_label_noise
from specbias.training.penalties import PENALTIES
from specbias.trials import calibrate, memory
from specbias.trials.trial import new_model

STRENGTHS = {"autoaugment": 1.0, "label_smoothing": 0.2, "flip_crop": 4, "cutout": 10}  # of the others 0.5


class Gpu(FakeTensorMode):
    """While it is entered there is a GPU, of ones."""

    def __init__(self):
        super().__init__(allow_non_fake_inputs=True)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs, given = kwargs or {}, tree_leaves((args, kwargs))
        if not any(map(on_gpu, given)):  # the mode's own doing, or the CPU's
            own = any(isinstance(each, FakeTensor) for each in given)
            return super().__torch_dispatch__(func, types, args, kwargs) if own else func(*args, **kwargs)
        if func is torch.ops.aten.copy_.default and not on_gpu(args[0]):
            return args[0].fill_(1)
        try:
            found = super().__torch_dispatch__(func, types, args, kwargs)
        except (DataDependentOutputException, DynamicOutputShapeException):  # it depends on values
            args, kwargs = tree_map(lambda each: ones_like(each) if on_gpu(each) else each, (args, kwargs))
            found = func(*args, **kwargs)
            with self:
                return tree_map(to_gpu, found)
        return tree_map(lambda each: each if on_gpu(each) else ones_like(each), found)


def on_gpu(value):
    device = value if isinstance(value, torch.device) else getattr(value, "device", None)
    return isinstance(device, torch.device) and device.type == "cuda"


def ones_like(value):
    """Return ones on the CPU for a tensor."""
    return torch.ones(value.shape, dtype=value.dtype) if isinstance(value, torch.Tensor) else value


def to_gpu(value):
    if not isinstance(value, torch.Tensor):
        return value
    return torch.ops.aten._to_copy.default(value, device=torch.device("cuda"))


def zero_gradients(loss, *_, **__):
    """Give every parameter that the loss was made of a gradient."""
    nodes, seen = [loss.grad_fn], set()
    while nodes:
        node = nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        nodes += [following for following, _ in node.next_functions]
        if hasattr(node, "variable"):
            node.variable.grad = torch.zeros_like(node.variable)


@pytest.fixture
def gpu(monkeypatch):
    """Enter that mode; what asks the driver of a GPU for more than tensors is answered here."""
    mode, swap = Gpu(), torch.utils.swap_tensors

    def swapped(one, other):  # model.to(...); the mode remembers tensors, and what is remembered is not swapped
        mode.fake_tensor_converter.meta_converter.tensor_memo.clear()
        swap(one, other)

    monkeypatch.setattr(torch.utils, "swap_tensors", swapped)
    monkeypatch.setattr(torch.Tensor, "backward", zero_gradients)
    monkeypatch.setattr(torch.autograd, "grad", lambda outputs, inputs, *_, **__: (torch.zeros_like(inputs),))
    monkeypatch.setattr(torch, "inference_mode", lambda mode=True: torch.set_grad_enabled(not mode))
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda device: torch.zeros(16))
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state, device: None)
    with mode:
        yield mode


def batch(count=8, size=32):
    targets = one_hot(torch.arange(count) % 10, 10).float()
    return torch.randn(count, 3, size, size).to("cuda"), targets.to("cuda")


def test_what_mixes_devices_is_refused_and_what_is_read_are_ones(gpu):
    class Forgetful(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = torch.ones(3)  # no buffer: it does not move

        def forward(self, images):
            return images.mean(dim=(2, 3)) * self.scale

    images, targets = batch()
    with pytest.raises(RuntimeError, match="device"):
        Forgetful().to("cuda")(images)
    with pytest.raises(RuntimeError, match="device"):
        images + torch.ones(8, 3, 32, 32)
    with pytest.raises(RuntimeError, match="device"):
        targets.cpu() + targets
    assert targets.sum().item() == 1 and targets.cpu().tolist() == [[1.0] * 10] * 8
    assert targets[targets > 0].device.type == "cuda"


@pytest.mark.parametrize("name", MODELS)
def test_every_model_computes_where_it_is_moved(gpu, name, monkeypatch):
    few = {"pyramid_net": {"depth": 11}}.get(name, MODELS[name].arguments)  # its 272 layers take minutes
    monkeypatch.setitem(MODELS, name, MODELS[name]._replace(arguments=few))
    images, targets = batch()
    model = build_model(name, num_classes=10, image_size=32, width=MODELS[name].width_step * 4, dropout=0.1)
    state = train.new_state(model, TrialConfig(device="cuda"))
    for mode in (model.train, model.eval):
        mode()
        assert on_gpu(cross_entropy(model(images), targets))
    assert all(map(on_gpu, tree_leaves([model.state_dict(), state.optimizer.param_groups[0]["params"]])))


@pytest.mark.parametrize("name", [name for name in INTERVENTIONS if name != "own_strength"])
def test_every_intervention_leaves_the_batch_where_it_is(gpu, name):
    config = TrialConfig(**{"flip_crop": 0, "device": "cuda", name: STRENGTHS.get(name, 0.5)})
    assert all(map(on_gpu, INTERVENTIONS[name](config)(*batch(), torch.Generator().manual_seed(0))))


@pytest.mark.parametrize("name", PENALTIES)
def test_every_penalty_is_computed_where_the_network_is(gpu, name):
    model = build_model("small_cnn", num_classes=10, image_size=32, width=4).to("cuda")
    penalty = PENALTIES[name](TrialConfig(**{"device": "cuda", name: 0.5}))
    assert on_gpu(penalty(model, *batch(), torch.Generator().manual_seed(0)))


def trial(small, **settings):
    """A trial on the GPU: its config, its data there, the pairs it is measured on, and an untrained state."""
    config = small(device="cuda", path_samples=4, train_size=50, epochs=1, **settings)
    on_cpu = dataclasses.replace(config, device="cpu")
    probes = probes_of(on_cpu, load_data(on_cpu))  # chosen by labels, of which the GPU has none
    data = load_data(config)
    return config, data, probes, train.new_state(new_model(config, data), config)


def test_a_network_is_trained_where_it_is(gpu, small):
    everything = {"mixup": 0.4, "lookahead": 0.5, "gradient_clip": 5.0, "alternating_flip": True, "generation": 1}
    config, data, _, state = trial(small, jacobian_penalty=0.1, label_noise=0.1, **everything)
    noise, distil = build_label_noise(config, data), distil_from(new_model(config, data), config)
    assert [after.epoch for after in train.train(state, data, noise, distil)] == [1]
    assert all(map(on_gpu, tree_leaves([state.model.state_dict(), list(state.optimizer.state.values())])))


@pytest.mark.parametrize("kind", NOISE_TYPES)
def test_every_wave_lies_where_the_images_are(gpu, small, kind):
    config = small(device="cuda", label_noise=0.1, noise_type=kind)
    noise = build_label_noise(config, load_data(config))
    assert all(map(on_gpu, [noise.train, noise.test, noise.apply(*batch())]))


@pytest.mark.parametrize("signal", SIGNALS)
def test_a_trial_is_measured_where_it_is(gpu, small, signal):
    config, data, probes, state = trial(small, jacobian_images=4, label_noise=0.1, signal=signal)
    noise = build_label_noise(config, data)
    found = measure(state.model, data, probes, config=config, step=0, noise=noise, test_probes=probes)
    assert {type(value) for value in found.metrics.values()} == {float}
    assert {type(value) for value in found.arrays.values()} == {np.ndarray}


def test_a_network_from_elsewhere_is_measured_where_it_is(gpu, small, monkeypatch):
    _, data, probes, state = trial(small)
    monkeypatch.setattr(report, "choose_probes", lambda *_, **__: probes)
    monkeypatch.setattr(answers, "_difference", lambda first, second: 0.0)  # of what is read, which are ones
    settings = MeasureSettings(pairs=1, fourier=2, local=2, jacobian=2, projections=1)
    move = expected_input(data.mean, data.std, (0.5,) * 3, (0.5,) * 3, "cuda")
    with evaluating(state.model, "cuda", "float32") as predict:
        record, _ = report.measure_function(lambda images: predict(move(images)), data, settings)
    assert record["accuracy"] == 1 and record["local"] and record["fourier"]


def test_a_class_is_measured_where_its_network_is(gpu, small):
    _, _, _, state = trial(small)
    classes = open_classes("digits")
    given = {"splits": ("test",), "pairs": 2, "partners": 2, "seed": 0, "outputs": tuple(range(10))}
    probes = choose_class_probes(classes, 1, **given)
    how = {"spacing": 10.0, "samples": 4, "signal": "margin", "batch_size": 64, "device": "cuda"}
    with evaluating(state.model, "cuda", "float32") as predict:
        metrics, _ = measure_class(predict, classes, probes, **how)
    assert metrics["generalization/class_accuracy"] == 1
    assert on_gpu(features(state.model, batch()[0], batch_size=4))
    assert set(diversity(batch()[0].flatten(1))) == set(MEASURES)


def test_what_is_timed_and_rehearsed_before_a_trial_is_on_its_device(gpu, small, monkeypatch):
    for module in (memory, calibrate):
        monkeypatch.setattr(module, "use_device", lambda device, threads: None)  # there is none
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    config = small(device="cuda", probe_pairs=0, generation=1, measure_batch=50)
    memory.rehearse(config)
    chosen = {"precision", "memory_format", "measure_precision", "measure_compile"}
    assert set(calibrate.fastest_execution(config).settings) == chosen


@pytest.mark.parametrize("kind", EXPERIMENTS)
def test_every_synthetic_experiment_runs_on_one_device(gpu, kind, monkeypatch):
    monkeypatch.setattr(run, "use_device", lambda device, threads: None)  # there is none
    small = {"runs": 2, "steps": 2, "record_every": 1, "width": 8, "depth": 2, "deltas": 2, "autoencoder_updates": 1}
    config_class = CONFIGS[kind]
    known = {name: value for name, value in small.items() if hasattr(config_class, name)}
    config = config_class(device="cuda", **known)
    *_, (state, _) = run.run_experiment(config)
    assert state.step == 2 and all(map(on_gpu, state.networks.parameters()))

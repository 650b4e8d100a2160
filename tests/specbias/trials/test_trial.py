"""The life of a trial: repeatable, resumable, and measured without being changed."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from specbias.settings import SettingError
from specbias.training.checkpoint import TrainState
from specbias.training.train import Diverged
from specbias.trials.trial import run_trial

EVERYTHING = {
    "mixup": 0.3,
    "cutout": 8,
    "label_smoothing": 0.1,
    "label_noise": 0.2,
    "epochs": 5,
    "measurement_epochs": (0, 1, 2, 4),
}


def measured(config, checkpoint=None):
    return [measurement for _, measurement in run_trial(config, checkpoint)]


def same(first, second):
    assert first.step == second.step and first.metrics == second.metrics
    assert first.arrays.keys() == second.arrays.keys()
    for key, array in first.arrays.items():
        np.testing.assert_array_equal(array, second.arrays[key], strict=True)


@pytest.fixture(scope="module")
def uninterrupted(small):
    """The measurements of a trial with everything, and the weights that it ends with."""
    found = list(run_trial(small(**EVERYTHING)))
    return [measurement for _, measurement in found], found[-1][0].model.state_dict()


def test_the_same_config_gives_the_same_measurements_bit_for_bit(small, uninterrupted):
    first, _ = uninterrupted
    torch.manual_seed(99)  # nothing global is looked at
    for one, other in zip(first, measured(small(**EVERYTHING)), strict=True):
        same(one, other)
    assert [m.step for m in first] == [0, 1, 2, 4, 5]
    assert {"noise_fitting/min", "frequency/within_class"} <= first[0].metrics.keys()


def stop_and_resume(config, stop, folder, uninterrupted):
    """Stop after measurement number `stop`, from 0, and go on: the rest and the last weights are the same."""
    expected, final = uninterrupted
    stopped = run_trial(config)
    for _ in range(stop + 1):
        state, _ = next(stopped)
    state.save(folder)
    stopped.close()
    rest = list(run_trial(config, folder))
    for (_, one), other in zip(rest, expected[stop + 1 :], strict=True):
        same(one, other)
    assert all(torch.equal(v, final[k]) for k, v in rest[-1][0].model.state_dict().items())


@pytest.mark.parametrize(
    "stop", [0, pytest.param(1, marks=pytest.mark.slow), 2, pytest.param(3, marks=pytest.mark.slow)]
)
def test_stop_and_resume_equals_the_uninterrupted_trial_bit_for_bit(small, tmp_path, uninterrupted, stop):
    stop_and_resume(small(**EVERYTHING), stop, tmp_path, uninterrupted)


@pytest.mark.slow
def test_stop_and_resume_in_bf16_does_too(small, tmp_path):
    """In few steps and images: where the CPU has no bf16, a step takes seconds."""
    config = small(**EVERYTHING | {"epochs": 2, "measurement_epochs": (1,)}, precision="bf16", probe_pairs=0)
    found = list(run_trial(config))
    stop_and_resume(config, 0, tmp_path, ([measurement for _, measurement in found], found[-1][0].model.state_dict()))


def test_what_the_network_draws_is_a_stream_of_its_own_for_every_epoch(small, tmp_path):
    """Whatever the caller does to torch's own stream, and wherever the trial stopped; and that stream is not moved."""
    config = small(dropout=0.5, epochs=3, measurement_epochs=(1, 2, 3), probe_pairs=0)
    uninterrupted = measured(config)
    trial = run_trial(config)
    for expected in uninterrupted:
        torch.rand(3)
        before = torch.get_rng_state()
        state, found = next(trial)
        assert torch.equal(torch.get_rng_state(), before) and state.model.dropout.p == 0.5
        same(found, expected)
        if state.epoch == 1:
            state.save(tmp_path)
    for found, expected in zip(measured(config, tmp_path), uninterrupted[1:], strict=True):
        same(found, expected)


def test_measuring_more_often_does_not_change_training(small):
    often = measured(small(epochs=4, measurement_epochs=(0, 1, 2, 3, 4)))[-1]
    once = measured(small(epochs=4, measurement_epochs=(4,)))[-1]
    same(often, once)


@pytest.mark.parametrize("noise", [{}, {"label_noise": 0.2}], ids=["", "noise"])
def test_probes_of_another_split_leave_those_of_the_test_split_to_the_last_epoch(small, noise):
    """There they measure what the same trial with probes of the test split does; and training does not see them."""
    settings = {"epochs": 3, "measurement_epochs": (1,), "jacobian_images": 2, **noise}
    on_test = measured(small(**settings))
    found = measured(small(**settings, probe_split="validation"))
    keys = {f"frequency/{kind}/test_probes" for kind in ("within_class", "between_class")}
    assert not any("test_probes" in key for m in (*on_test, found[0]) for key in (*m.metrics, *m.arrays))
    assert keys <= found[-1].metrics.keys()
    for key in keys:
        assert found[-1].metrics[key] == on_test[-1].metrics[key.removesuffix("/test_probes")]
    for key, array in on_test[-1].arrays.items():
        if key.startswith("frequency/"):
            np.testing.assert_array_equal(found[-1].arrays[f"test_probes/{key}"], array, strict=True)
    accuracy = "generalization/test_accuracy"
    assert [m.metrics[accuracy] for m in found] == [m.metrics[accuracy] for m in on_test]


def test_a_trial_that_ends_early_by_itself_measures_the_probes_of_the_test_split_there(small):
    trial = small(epochs=3, stop_loss=99.0, probe_split="validation", measurement_epochs=(0, 1, 2))
    found = [m for _, m in run_trial(trial)]
    assert [("frequency/within_class/test_probes" in m.metrics) for m in found] == [False, True]


def test_a_seed_draws_the_initial_weights_and_no_global_stream_is_moved(small):
    before = torch.get_rng_state()
    models = [next(run_trial(small(seed=seed)))[0].model for seed in (0, 1, 0)]
    first, second, again = (torch.cat([p.detach().flatten() for p in model.parameters()]) for model in models)
    assert torch.equal(first, again) and not torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("precision", "flip_crop"), [("float32", 0), ("float32", 2), ("bf16", 2)])
@pytest.mark.parametrize("memory_format", ["channels_last", "contiguous_format"])
def test_precision_and_memory_format_are_what_the_network_computes_in(small, precision, memory_format, flip_crop):
    """Seen from inside, at the input of the second convolution, in training and in measuring."""
    few = {"epochs": 1, "train_size": 25, "probe_pairs": 0}
    trial = run_trial(small(**few, precision=precision, memory_format=memory_format, flip_crop=flip_crop))
    state, _ = next(trial)
    found = set()

    def look(module, inputs):
        channels_last = inputs[0].is_contiguous(memory_format=torch.channels_last)
        found.add((module.training, inputs[0].dtype, channels_last))

    weight = state.model.features[3].weight
    assert weight.is_contiguous(memory_format=torch.channels_last) == (memory_format == "channels_last")
    state.model.features[3].register_forward_pre_hook(look)
    list(trial)
    dtype = {"float32": torch.float32, "bf16": torch.bfloat16}[precision]
    assert found == {(training, dtype, memory_format == "channels_last") for training in (True, False)}


def test_a_seed_changes_everything_but_the_probes(small):
    first, second = (measured(small(seed=seed, epochs=1))[-1] for seed in (0, 1))
    assert first.metrics["generalization/train_loss"] != second.metrics["generalization/train_loss"]
    key = "frequency/between_class/first_image"
    assert np.array_equal(first.arrays[key], second.arrays[key])
    other = measured(small(probe_seed=1, epochs=1))[-1]
    assert not np.array_equal(first.arrays[key], other.arrays[key])


def test_a_checkpoint_of_another_trial_is_refused(small, tmp_path):
    state, _ = next(run_trial(small()))
    state.save(tmp_path)
    with pytest.raises(SettingError, match="is of trial"):
        next(run_trial(small(width=5), tmp_path))
    record = json.loads((tmp_path / "state.json").read_text())
    (tmp_path / "state.json").write_text(json.dumps(record | {"trial_id": state.config.identity(1)}))
    with pytest.raises(SettingError, match="measured by version 1 of the measure and can't go on with version 2"):
        next(run_trial(small(), tmp_path))
    with pytest.raises(SettingError, match="is of trial"):
        next(run_trial(small(width=5), tmp_path))


def test_a_checkpoint_is_readable_and_holds_no_code(small, tmp_path):
    config = small()
    state, _ = next(run_trial(config))
    state.save(tmp_path)
    assert '"epoch": 0' in (tmp_path / "state.json").read_text()
    loaded = torch.load(tmp_path / "weights.pt", weights_only=True)
    assert set(loaded) == {"model", "optimizer"}
    fields = {"config", "model", "optimizer", "epoch", "training_loss", "ended", "lowest_noise_fitting"}
    assert {field.name for field in dataclasses.fields(TrainState)} == fields


def test_a_config_that_cannot_run_is_refused_before_anything(small):
    with pytest.raises(SettingError, match="unknown model"):
        next(run_trial(small(model="vgg")))


def test_weights_that_overflow_in_the_last_step_are_found_when_measured(small, monkeypatch):
    def poison(state, *_):
        state.epoch = 1
        next(state.model.parameters()).data.fill_(float("nan"))
        yield state

    monkeypatch.setattr("specbias.trials.trial.train", poison)
    with pytest.raises(Diverged, match="the network's output is not finite after epoch 1"):
        list(run_trial(small(epochs=1)))


def test_a_trial_sets_the_threads_of_its_config(small):
    next(run_trial(small(threads=2)))
    assert torch.get_num_threads() == 2


@pytest.mark.slow
def test_a_trial_ends_where_the_accuracy_or_the_loss_asked_for_is_reached(small, tmp_path):
    """And not before, by the trial that goes on; resumed after its end, it stays ended."""
    settings = {"epochs": 6, "train_size": 400, "measurement_epochs": (1, 2, 3, 4, 5)}
    accuracies = [m.metrics["generalization/validation_accuracy"] for _, m in run_trial(small(**settings))]
    wanted = sorted(accuracies)[-2]
    found = [m.step for state, m in run_trial(small(**settings, stop_accuracy=wanted))]
    assert found[-1] == 1 + next(i for i, accuracy in enumerate(accuracies) if accuracy >= wanted)
    losses = [state.training_loss for state, _ in run_trial(small(**settings))]
    wanted = (losses[2] + min(losses[:2])) / 2 if losses[2] < min(losses[:2]) else losses[0]
    *_, (state, last) = run_trial(small(**settings, stop_loss=wanted))
    assert last.step == 1 + next(i for i, loss in enumerate(losses) if loss <= wanted) and state.ended
    state.save(tmp_path)
    assert list(run_trial(small(**settings, stop_loss=wanted), tmp_path)) == []


def test_a_zero_head_starts_every_class_equally_likely(small):
    for model in ("small_cnn", "resnet18"):
        _, measurement = next(run_trial(small(model=model, width=2, zero_head=True, epochs=1, probe_pairs=0)))
        assert measurement.metrics["generalization/test_loss"] == pytest.approx(np.log(10), abs=1e-6)


def test_a_folder_is_made_to_save_to_and_one_without_a_trial_is_refused(small, tmp_path):
    state, _ = next(run_trial(small()))
    state.save(tmp_path / "new" / "folder")
    assert list(run_trial(small(), tmp_path / "new" / "folder"))
    with pytest.raises(SettingError, match="no trial was saved there"):
        next(run_trial(small(), tmp_path))


def test_a_finished_trial_is_saved_without_its_optimiser_and_has_nothing_left_to_do(small, tmp_path):
    config = small(epochs=1)
    for state, _ in run_trial(config):
        state.save(tmp_path)
    assert torch.load(tmp_path / "weights.pt").keys() == {"model"}
    assert list(run_trial(config, tmp_path)) == []

"""What a trial is rehearsed with on its GPU; the rehearsal itself runs on a CPU here."""

from dataclasses import replace

import pytest
import torch

from specbias.models.small_cnn import SmallCNN
from specbias.settings import SettingError
from specbias.training.check import complete_config
from specbias.trials import memory
from specbias.trials.calibrate import _full_batches, fastest_execution
from specbias.trials.memory import most_demanding, peak_memory, rehearse


@pytest.fixture
def batches(monkeypatch):
    """Every batch that the network is given: (images, whether it trains)."""
    seen = []
    forward = SmallCNN.forward

    def noted(self, images):
        seen.append((len(images), self.training))
        return forward(self, images)

    monkeypatch.setattr(SmallCNN, "forward", noted)
    return seen


def test_a_rehearsal_has_two_whole_training_steps_and_whole_batches_of_measuring(small, batches):
    rehearse(small(train_size=7, epochs=30, equal_steps=True, batch_size=40, measure_batch=96, probe_pairs=5))
    assert [size for size, training in batches if training] == [40, 40]
    measured = [size for size, training in batches if not training]
    assert measured[:4] == [80, 96, 96, 96]  # the splits
    assert measured[4:].count(96) >= 8  # and paths


@pytest.mark.parametrize(
    "settings",
    [
        {"jacobian_penalty": 0.1, "path_penalty": 0.1, "spectral_penalty": 0.1, "mixup": 0.4, "cutout": 8},
        {"label_noise": 0.1, "lookahead": 0.5, "optimizer": "adamw"},
        {"jacobian_images": 20, "probe_pairs": 0},
        {"measure_batch": 9, "path_samples": 4},
        pytest.param(
            {"dataset": "cifar100", "probe_pairs": 1, "path_samples": 4, "measure_batch": 4096}, marks=pytest.mark.slow
        ),
        {"extra_test": "v6", "probe_split": "extra", "dataset": "cifar10", "train_size": None},
        # What the trial's images have and two batches at random need not: enough of each class, that class, the room
        # for that wave, distances
        {"dataset": "leaves", "batch_size": 10, "probe_split": "train", "path_samples": 4},
        {"dataset": "leaves", "batch_size": 10, "label_noise": 0.1, "noise_class": 29, "probe_pairs": 0},
        {"label_noise": 0.4, "noise_frequency": 0.15, "probe_pairs": 0},
        {"spacing": 30.0},
    ],
)
def test_it_needs_no_data_whatever_the_trial_asks_for(small, batches, settings, monkeypatch, tmp_path):
    monkeypatch.setenv("SPECBIAS_DATA_DIR", str(tmp_path))
    before = torch.random.get_rng_state()
    rehearse(complete_config(small(**settings)))
    assert sum(training for _, training in batches) >= 2
    assert torch.equal(torch.random.get_rng_state(), before)


def test_float32_is_not_rounded_in_what_precedes_a_trial_either(small, monkeypatch):
    """A GPU's default, TF32, is faster than the trial's float32 and takes other memory."""
    seen = []
    forward = SmallCNN.forward

    def noted(self, images):
        seen.append({torch.backends.cuda.matmul.fp32_precision, torch.backends.cudnn.conv.fp32_precision})
        return forward(self, images)

    monkeypatch.setattr(SmallCNN, "forward", noted)
    for ask in (rehearse, fastest_execution):
        for place in (torch.backends.cuda.matmul, torch.backends.cudnn.conv):
            place.fp32_precision = "tf32"
        ask(small(probe_pairs=0))
    assert len(seen) > 20 and all(found == {"ieee"} for found in seen)


@pytest.mark.parametrize(
    ("half", "compiled", "compiling", "precision", "compile", "saved"),
    [
        (0.5, 1.0, 1.0, "corrected", False, 0.3),
        (0.9, 1.0, 1.0, "float32", False, 0.0),
        (1.3, 0.7, 1.0, "float32", True, 0.3),
        (0.7, 0.6, 1.0, "float32", True, 0.4),
        (0.5, 0.6, 1.0, "corrected", False, 0.3),
        (1.3, 0.7, 1e6, "float32", False, 0.0),
        (1.3, 0.98, 1.0, "float32", False, 0.0),
    ],
)
def test_paths_are_measured_in_half_precision_or_compiled_only_where_that_was_timed_to_pay(
    small, monkeypatch, half, compiled, compiling, precision, compile, saved
):
    """By a clock that a forward pass in float32 moves by 1, one in bf16 or a compiled one by more or less.

    `saved` is of a batch, of which a fifth is in float32 too where it is corrected.
    """
    now, is_compiled = [0.0], [False]
    forward = SmallCNN.forward

    def timed(self, images):
        now[0] += half if torch.is_autocast_enabled("cpu") else compiled if is_compiled[0] else 1.0
        return forward(self, images)

    def compiling_first(function, **options):
        now[0] += compiling

        def faster(images):
            is_compiled[0] = True
            answer = function(images)
            is_compiled[0] = False
            return answer

        return faster

    monkeypatch.setattr(SmallCNN, "forward", timed)
    monkeypatch.setattr(torch, "compile", compiling_first)
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    config = small(width=2)
    found = fastest_execution(config)
    assert (found.settings["measure_precision"], found.settings["measure_compile"]) == (precision, compile)
    first = compiling + compiled + 1.0  # the first batch, which the network itself answers too
    assert found.saved == pytest.approx(saved * _full_batches(config) - compile * first)


def test_a_student_is_rehearsed_with_a_teacher_beside_it(small, batches):
    rehearse(replace(small(), generation=2))
    assert batches[:4] == [(25, True), (25, False)] * 2  # the teacher sees each batch


def test_on_a_cpu_no_memory_is_shared_out(small):
    with pytest.raises(SettingError, match="device=cpu: only a GPU's memory"):
        peak_memory(small())


def test_one_trial_of_every_size_is_rehearsed_those_with_the_most_work(small):
    def on_gpu(**settings):
        return small(device="cuda", **settings)

    base = on_gpu()
    same = [on_gpu(seed=1), on_gpu(mixup=0.4), on_gpu(epochs=9), on_gpu(train_size=50), on_gpu(learning_rate=0.3)]
    larger = [on_gpu(width=8), on_gpu(batch_size=250), on_gpu(jacobian_penalty=0.1), on_gpu(model="vgg16", width=64)]
    assert most_demanding([base, *same]) == [base]
    assert most_demanding([base, *same, *larger]) == [larger[3], larger[1], larger[0], larger[2]]
    assert most_demanding([*larger, base], most=1) == [larger[3]]
    assert most_demanding([small()]) == []
    student = replace(base, generation=1)
    assert most_demanding([base, student, replace(base, generation=2)]) == [base, student]


def test_what_is_taken_is_the_allocators_peak_the_images_and_what_is_beside(small, monkeypatch):
    torch_says = {"max_memory_reserved": 5_000, "memory_reserved": 4_000, "mem_get_info": (90_000, 100_000)}
    for name, value in torch_says.items():
        monkeypatch.setattr(torch.cuda, name, lambda value=value: value)
    for name in ("empty_cache", "reset_peak_memory_stats"):
        monkeypatch.setattr(torch.cuda, name, lambda: None)
    monkeypatch.setattr(memory, "rehearse", lambda config: None)
    images = (992 + 203 + 602) * (3 * 32 * 32 + 8)
    assert peak_memory(small(device="cuda")) == 5_000 + 6_000 + images


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_larger_batch_takes_more_of_a_gpu(small):
    few, many = (peak_memory(small(device="cuda", width=64, batch_size=size)) for size in (64, 4096))
    assert 100e6 < few < many

"""How a GPU is shared out: pure arithmetic, the words of memory that gave out, and what is asked of torch."""

from dataclasses import replace

import pytest
import torch

from specbias.settings import SettingError
from sweeps.cifar import STUDY
from sweeps.service.machines import sharing
from sweeps.service.machines.sharing import (
    CONTEXT,
    MARGIN,
    allocator_share,
    cap_memory,
    is_out_of_memory,
    measure_sharing,
    next_share,
    share_of,
)

GB = 10**9


@pytest.mark.parametrize(
    ("peak", "total", "most", "share"),
    [
        (10 * GB, 80 * GB, 8, 0.1428),  # 1.1 x 10 goes 7 times into 80
        (9 * GB, 80 * GB, 8, 0.125),
        (1 * GB, 80 * GB, 8, 0.125),  # no more than 8, however small
        (1 * GB, 80 * GB, 3, 0.3333),
        (12 * GB, 80 * GB, 8, 0.1666),
        (39 * GB, 80 * GB, 8, 1.0),  # twice would leave no margin
        (36 * GB, 80 * GB, 8, 0.5),
        (79 * GB, 80 * GB, 8, 1.0),  # it ran, so it fits
    ],
)
def test_the_share_is_that_of_as_many_as_fit(peak, total, most, share):
    assert share_of(peak, total, most=most) == share


def test_as_many_as_were_counted_fit_into_memory_and_into_rays_four_digits_and_no_more():
    for k in range(1, 9):
        share = share_of(80 * GB / (MARGIN * (k + 0.5)), 80 * GB)
        assert k * round(share * 10_000) <= 10_000 < (k + 1) * round(share * 10_000)
        assert int(1 / share) == k


@pytest.mark.slow
def test_ray_runs_as_many_at_a_time_as_were_counted(ray_with_two_gpus):
    from ray.util.placement_group import placement_group, remove_placement_group

    for k in (3, 6, 7):
        for count, fits in ((k, True), (k + 1, False)):
            group = placement_group([{"GPU": share_of(80 * GB / (MARGIN * (k + 0.5)), 80 * GB)}] * count * 2)
            found = group.wait(30 if fits else 1)
            remove_placement_group(group)
            assert found == fits


def test_after_memory_gave_out_there_are_fewer_neighbours_until_there_are_none():
    shares = [0.1428]
    while (share := next_share(shares[-1])) is not None:
        shares.append(share)
    assert shares == [0.1428, 0.2856, 0.5712, 1.0]
    assert next_share(0.0) is None and next_share(2.0) is None


def raised(error, cause=None):
    try:
        raise error from cause
    except type(error) as found:
        return found


class TaskError(Exception):
    """As Ray's, which holds what a worker raised."""

    def __init__(self, cause):
        super().__init__("a worker failed")
        self.cause = cause


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 80000 bytes."),
        OSError(12, "Cannot allocate memory"),
        MemoryError(),
        TaskError(MemoryError()),
        raised(RuntimeError("the epoch failed"), torch.OutOfMemoryError("x")),
        "Task was killed due to the node running low on memory.",
        "1 Workers (tasks / actors) killed due to memory pressure (OOM), 0 Workers crashed due to other reasons",
    ],
    ids=str,
)
def test_memory_that_gave_out_is_known_whoever_says_so(error):
    assert is_out_of_memory(error)


def test_what_ray_says_of_a_worker_it_ended_for_memory_is_known():
    from ray.exceptions import OutOfMemoryError

    assert is_out_of_memory(OutOfMemoryError("x"))


@pytest.mark.parametrize(
    "error",
    [
        ArithmeticError("the loss is not finite from step 3 on (epoch 1)"),
        RuntimeError("CUDA error: an illegal memory access was encountered"),
        RuntimeError("CUDA error: device-side assert triggered"),
        TaskError(ValueError("memory_format=x")),
        "its process died",
    ],
    ids=str,
)
def test_other_failures_are_not_taken_for_it(error):
    assert not is_out_of_memory(error)


@pytest.fixture
def gpu(monkeypatch):
    """A GPU of 80 GB that torch is told is there; the fractions asked of it."""
    asked = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (70 * GB, 80 * GB))
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", asked.append)
    return asked


def test_a_process_is_held_to_its_share_with_its_context_and_a_whole_gpu_frees_it(gpu):
    for share in (0.0, 0.25, 1.0, 2.0):
        cap_memory(share)
    assert gpu == [0.25 - CONTEXT / (80 * GB), 1.0, 1.0]
    assert allocator_share(0.125, 4 * GB) == 0.0625  # never less than half of it


def test_without_a_gpu_nothing_is_capped(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", None)
    cap_memory(0.5)


def test_the_share_is_measured_from_the_trials_and_said(gpu):
    found = measure_sharing(
        replace(STUDY, kind=replace(STUDY.kind, memory=lambda trials: len(trials) * 12 * GB)), ["one"]
    )
    assert found == (0.1666, 12 * GB, 80 * GB)
    assert str(found) == "the most demanding trial takes 12.0 of the GPU's 80.0 GB: 6 trials at a time on a GPU"
    assert "1 trial at a time" in str(found._replace(share=1.0))


def test_a_trial_that_does_not_fit_at_all_is_refused_in_a_line_and_what_else_fails_is_raised(gpu):
    def fail(error):
        def memory(trials):
            raise error

        return replace(STUDY, kind=replace(STUDY.kind, memory=memory))

    with pytest.raises(SettingError, match="not even one trial fits on this GPU: a smaller batch_size"):
        measure_sharing(fail(torch.OutOfMemoryError("x")), [])
    with pytest.raises(ZeroDivisionError):
        measure_sharing(fail(ZeroDivisionError()), [])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_process_over_its_share_fails_in_words_that_are_known():
    total = torch.cuda.mem_get_info()[1]
    try:
        cap_memory(0.1)
        with pytest.raises(RuntimeError) as failed:
            torch.empty(int(0.11 * total), dtype=torch.uint8, device="cuda")
        assert is_out_of_memory(failed.value)
    finally:
        cap_memory(1.0)
    assert sharing.next_share(0.1) == 0.2

"""How many trials fit on one GPU at a time? For --gpus-per-trial auto: measure, cap, and try again with fewer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from specbias.settings import SettingError
from sweeps.service.study import Study

MARGIN = 1.1  # of what was measured: an allocator's pieces do not fit without gaps
MOST = 8  # trials on a GPU: more of them only wait for each other
CONTEXT = 2**29  # bytes that a process takes beside torch's allocator: CUDA's context and its kernels

# Parts of what torch, CUDA, its libraries and Ray say where memory did not suffice, in lower case.
WORDS = (
    "outofmemory",  # the errors of torch and Ray, by their names
    "out of memory",
    "alloc_failed",  # cuBLAS, cuDNN, cuFFT
    "memoryerror",
    "can't allocate memory",  # torch on a CPU
    "cannot allocate memory",  # the kernel, to any other
    "low on memory",  # Ray, of a worker it ended
    "memory pressure",
)


class Sharing(NamedTuple):
    """What a trial reserves of a GPU, and why."""

    share: float
    peak: int  # bytes of the most demanding trial
    total: int  # bytes of the GPU

    def __str__(self) -> str:
        count = int(1 / self.share)
        return (
            f"the most demanding trial takes {self.peak / 1e9:.1f} of the GPU's {self.total / 1e9:.1f} GB:"
            f" {count} {'trials' if count > 1 else 'trial'} at a time on a GPU"
        )


def measure_sharing(study: Study, trials: Sequence[Any]) -> Sharing:
    """Return how the GPU this process holds, the whole of it, is shared out among such trials.

    In a process that ends afterwards: what was measured stays on the GPU until then. SettingError where not even one
    trial fits.
    """
    import torch

    assert study.kind.memory is not None  # else the plan was refused
    try:
        peak = study.kind.memory(trials)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise SettingError(
            "--gpus-per-trial auto: not even one trial fits on this GPU: a smaller batch_size, measure_batch or width"
        ) from None
    total = torch.cuda.mem_get_info()[1]
    return Sharing(share_of(peak, total), peak, total)


def share_of(peak: float, total: float, *, most: int = MOST) -> float:
    """Return the part of a GPU of `total` bytes to reserve for a trial of `peak`: 1/k for the most that fit, k <= most.

    Rounded down to the four digits that Ray counts in: seven times 0.1429 are too many.
    """
    count = max(1, min(most, int(total // (MARGIN * peak))))
    return int(10_000 / count) / 10_000


def cap_memory(share: float) -> None:
    """Let torch take no more of this process's GPU than its share, so that who takes too much fails, not a neighbour.

    A worker runs one trial after the other: a whole GPU lifts the cap. Without a GPU there is none.
    """
    if share <= 0:
        return
    import torch  # seconds: not for a trial without a GPU, which may need none

    if torch.cuda.is_available():
        torch.cuda.set_per_process_memory_fraction(allocator_share(share, torch.cuda.mem_get_info()[1]))


def allocator_share(share: float, total: float) -> float:
    """Return what torch's allocator may take of a GPU so that the whole process takes no more than its share."""
    return 1.0 if share >= 1 else max(share - CONTEXT / total, share / 2)


def next_share(share: float) -> float | None:
    """Return what a trial reserves after memory did not suffice, twice as much; None where it had a whole GPU."""
    return None if share <= 0 or share >= 1 else min(1.0, 2 * share)


def is_out_of_memory(error: BaseException | str) -> bool:
    """Tell whether an error, what it was raised from, or its text says that a GPU's or the host's memory gave out."""
    if isinstance(error, str):
        return any(word in error.lower() for word in WORDS)
    causes = [
        cause for name in ("cause", "__cause__") if isinstance(cause := getattr(error, name, None), BaseException)
    ]
    names = " ".join(kind.__name__ for kind in type(error).__mro__)
    return is_out_of_memory(f"{names}: {error}") or any(is_out_of_memory(cause) for cause in causes)

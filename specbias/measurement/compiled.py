"""How does a network compute faster, in float32 all the same? Compiled for full batches, once for all its weights."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from specbias.measurement.half_precision import tensors_in
from specbias.settings.own_code import reason

SAME = 1e-5  # of the largest number: how far a compiled network's first answer may be from the network's own
CACHE = "TORCHINDUCTOR_CACHE_DIR"  # the variable of the environment
NETWORKS = 256  # of different shapes that a process may compile; torch gives up after eight
OPTIONS = {"efficient_conv_bn_eval_fx_passes": True}  # batch norm is folded into convolutions
_failures: WeakKeyDictionary[nn.Module, str | None] = WeakKeyDictionary()  # None: its first answer was right


class Compiled:
    """The function `ask`, which asks `network` about images (B, 3, H, W), compiled for batches of `size` images.

    By torch.compile with inductor, at the first full batch. Weights are arguments of what is compiled, batch norm is
    folded in as it runs: after another epoch, and for another network of the same layers, nothing is compiled again.
    Without it are computed batches of another size, what gradients are asked of, and everything after a `failure`.
    """

    def __init__(self, ask: Callable[[Tensor], Any], network: nn.Module, *, size: int) -> None:
        self.ask, self.network, self.size = ask, network, size

    def __call__(self, images: Tensor) -> Any:
        if self.failure or len(images) != self.size or torch.is_grad_enabled():
            return self.ask(images)
        try:
            with torch._dynamo.config.patch(recompile_limit=NETWORKS):
                answer = self._compiled(images.contiguous(memory_format=torch.channels_last))  # for one layout alone
        except Exception as error:  # of torch, or of the network itself, which then says so below
            _failures[self.network] = f"the network is not compiled: {_reason(error)}"
            return self.ask(images)
        if self.network not in _failures:
            own = self.ask(images)
            _failures[self.network] = (
                None if _same(own, answer) else "the network is not compiled: it answers otherwise"
            )
            return own if self.failure else answer
        return answer

    @property
    def failure(self) -> str | None:
        """Why the network is not compiled; None as long as nothing speaks against it."""
        return _failures.get(self.network)

    @cached_property
    def _compiled(self) -> Callable[[Tensor], Any]:
        keep_what_is_compiled()
        return torch.compile(self.ask, fullgraph=True, dynamic=False, options=OPTIONS)  # type: ignore[arg-type]


def cache_directory() -> Path:
    """Return where what was compiled is kept: in SPECBIAS_CACHE_DIR, or in ~/.cache/specbias."""
    return Path(os.environ.get("SPECBIAS_CACHE_DIR") or "~/.cache/specbias").expanduser() / "compiled"


def keep_what_is_compiled() -> None:
    """Have inductor keep what it compiles in `cache_directory`, unless TORCHINDUCTOR_CACHE_DIR names another place.

    torch sets that variable itself when torch._dynamo is imported (2.15), to a folder for temporary files.
    """
    from torch._inductor.runtime.cache_dir_utils import default_cache_dir  # imports torch._dynamo

    if os.environ.get(CACHE) in (None, os.path.abspath(default_cache_dir())):
        os.environ[CACHE] = str(cache_directory())


def _same(own: Any, answer: Any) -> bool:
    """Tell whether two answers differ by rounding; what is not finite in one is to be so in both."""
    sizes = (SAME * float(each.nan_to_num(0, 0, 0).abs().max()) for each in tensors_in(own))
    every = zip(tensors_in(own), tensors_in(answer), sizes, strict=True)
    return all(torch.allclose(other, each, rtol=0, atol=size, equal_nan=True) for each, other, size in every)


def _reason(error: BaseException) -> str:
    """Return one line on what inductor or dynamo, which wrap errors in their own, could not do."""
    return reason(getattr(error, "inner_exception", error))

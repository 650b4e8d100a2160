"""How far is a measurement? A bar on stderr, and what it took in the end."""

from __future__ import annotations

import sys
import time
from typing import Any


class ProgressBar:
    """A progress bar on stderr, from the number of images done and to do."""

    def __enter__(self) -> ProgressBar:
        self.images, self.started = 0, time.perf_counter()
        self.bar: Any = None
        return self

    def update(self, done: int, total: int) -> None:
        from tqdm import tqdm

        if self.bar is None:
            self.bar = tqdm(total=total, unit=" images", unit_scale=True, file=sys.stderr)
        self.bar.update(done - self.images)
        self.images = done

    def __exit__(self, *error: object) -> None:
        if self.bar is not None:
            self.bar.close()

    @property
    def run(self) -> dict[str, Any]:
        """What it took so far: seconds, images, and the process' largest memory in MB."""
        seconds = time.perf_counter() - self.started
        return {"seconds": seconds, "images": self.images, "peak_memory_mb": _peak_memory()}


def _peak_memory() -> int | None:
    """Return this process' largest resident memory so far in MB, None where the system does not say."""
    try:
        import resource
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (2**20 if sys.platform == "darwin" else 2**10)

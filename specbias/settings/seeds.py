"""Which random numbers does a part of a trial see? Every stream has a seed of its own, derived from its name."""

import hashlib


def derive_seed(*names: object) -> int:
    """Return the seed of the stream called `names`: 63 bits, the same on every machine and Python version.

    A name that is added later changes no other stream, so a new source of randomness leaves old results alone.
    Trials name their streams (seed, purpose, epoch), which is also why a checkpoint holds no generator: a resumed
    epoch derives its streams anew.
    """
    text = "/".join(map(str, names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1

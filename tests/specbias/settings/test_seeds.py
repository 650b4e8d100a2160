"""Seeds by name: fixed for ever, and independent of each other."""

import hashlib

from specbias.settings.seeds import derive_seed


def test_a_stream_is_the_same_on_every_machine():
    assert derive_seed(0, "model") == int(hashlib.sha256(b"0/model").hexdigest()[:16], 16) // 2
    assert 0 <= derive_seed(0, "model") < 2**63


def test_streams_differ_by_every_part_of_their_name():
    names = [(seed, purpose, epoch) for seed in range(10) for purpose in "abc" for epoch in range(10)]
    assert len({derive_seed(*name) for name in names}) == len(names)

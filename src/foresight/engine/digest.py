"""A digest over all decisions: two runs decided the same exactly when their digests are equal (invariant 7)."""

import hashlib

import msgspec


class DecisionDigest:
    """BLAKE2b over the canonical encoding of each decision, in order. The time an evaluation took is not part of it."""

    def __init__(self) -> None:
        self._digest = hashlib.blake2b(digest_size=16)
        self._encoder = msgspec.msgpack.Encoder(order="deterministic")

    def add(self, *parts: object) -> None:
        self._digest.update(self._encoder.encode(parts))

    def hex(self) -> str:
        return self._digest.hexdigest()

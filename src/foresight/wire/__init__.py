"""The venues' public protocols as typed, pure decoding: bytes in, nouns out, rejects told, nothing raised.

A module for each protocol (venue spec §3, §5.8, §6.1, §7, §8, §10); their names are used with the module's
(`clob.Book`, `binance.BookTicker`), because the protocols have words in common.
"""

from foresight.wire.rejects import FRAME_BYTES_MAX, OnReject

__all__ = ["FRAME_BYTES_MAX", "OnReject"]

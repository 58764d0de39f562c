"""What a market is called at the venue: ids of both protocol versions, made from its slug (venue spec §2.3).

A v1 market has a condition of 32 bytes and two CTF token ids. A v2 market has a condition of 31 bytes, whose position
ids are that condition and one more byte, the outcome's index:

    byte 0        the module, 1 for a binary market
    bytes 1-18    free
    bytes 19-26   zero (the bits 40 to 103, by which both official clients tell a position id from a token id)
    bytes 27-30   free
    byte 31       0 for Up, 1 for Down

Gamma writes the 31 bytes (62 hex digits); the CLOB and the Data API write them with a zero byte behind (64).
"""

import hashlib
from typing import Literal

import msgspec

from foresight.markets import Market, Outcome

Version = Literal["v1", "v2"]
VersionRule = Literal["v1", "v2", "mixed"]

_BINARY = b"\x01"
_TOKEN_DIGITS_MAX = 78


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """`condition` is the form of CLOB and Data API, `gamma_condition` that of Gamma; they differ for v2."""

    version: Version
    gamma_id: str
    event_id: str
    condition: str
    gamma_condition: str
    question_id: str
    up: str
    down: str

    @property
    def tokens(self) -> tuple[str, str]:
        return (self.up, self.down)

    def token(self, outcome: Outcome) -> str:
        return self.up if outcome == "UP" else self.down


def version_of(market: Market, rule: VersionRule) -> Version:
    """Under `mixed` every other window of a slot is v2."""
    if rule != "mixed":
        return rule
    length_ns = market.end_ns - market.start_ns
    return "v2" if market.start_ns // length_ns % 2 else "v1"


def identity_of(market: Market, rule: VersionRule) -> Identity:
    """The same for the same slug and version, on every machine. A source's own token ids stay when they are decimal."""
    slug, version = str(market.market_id), version_of(market, rule)
    number = int.from_bytes(_digest(slug, "gamma")[:5], "big")
    if version == "v1":
        condition = gamma_condition = "0x" + _digest(slug, "condition").hex()
        up, down = _token(str(market.up), slug, "UP"), _token(str(market.down), slug, "DOWN")
    else:
        free = _digest(slug, "position")
        short = _BINARY + free[:18] + bytes(8) + free[18:22]
        gamma_condition, condition = "0x" + short.hex(), "0x" + short.hex() + "00"
        up, down = (str(int.from_bytes(short + bytes([index]), "big")) for index in (0, 1))
    return Identity(
        version=version,
        gamma_id=str(number),
        event_id=str(number + 1),
        condition=condition,
        gamma_condition=gamma_condition,
        question_id="0x" + _digest(slug, "question").hex(),
        up=up,
        down=down,
    )


def transaction_hash(slug: str, number: int) -> str:
    """A 32-byte hash for the trade of this number in a market."""
    return "0x" + _digest(slug, f"transaction:{number}").hex()


def wallet(slug: str, number: int, role: str) -> str:
    """A 20-byte address; one of 64 for each role, so that wallets come back as they do at the venue."""
    name = _digest(slug, f"{role}:{number}")[0] % 64
    return "0x" + _digest("wallet", f"{role}:{name}").hex()[:40]


def _token(own: str, slug: str, outcome: Outcome) -> str:
    if own.isdecimal() and own.isascii() and len(own) <= _TOKEN_DIGITS_MAX:
        return own
    return str(int.from_bytes(_digest(slug, f"token:{outcome}"), "big"))


def _digest(slug: str, what: str) -> bytes:
    return hashlib.sha256(f"{what}:{slug}".encode()).digest()

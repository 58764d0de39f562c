"""Names of Polymarket's Up/Down windows, and the ids of both market versions (venue spec §2.3, §3.1)."""

import re

import msgspec

from foresight.markets import SECOND_NS, TIMEFRAME_NS

SLUG = re.compile(r"([a-z]{2,10})-updown-(\w{2,3})-([1-9][0-9]{8,10})", re.ASCII)
CONDITION = re.compile(r"0x([0-9a-f]{62}|[0-9a-f]{64})", re.ASCII)
V2_ZEROS = (2**64 - 1) << 40
"""Bits 40 to 103 of a v2 id are zero; a hash of v1 has them so once in 2**64 times."""


class Window(msgspec.Struct, frozen=True):
    """What a slug says; `asset` in capitals, `start_s` in unix seconds."""

    asset: str
    timeframe: str
    start_s: int


def seconds_of(timeframe: str) -> int:
    """The length of a window; raises KeyError for a timeframe that we do not trade."""
    return TIMEFRAME_NS[timeframe] // SECOND_NS


def slug_of(asset: str, timeframe: str, start_s: int) -> str:
    """`slug_of("BTC", "5m", 1795177800) == "btc-updown-5m-1795177800"` (venue spec §3.1)."""
    return f"{asset.lower()}-updown-{timeframe}-{start_s}"


def parse_slug(slug: str) -> Window | None:
    """What `slug_of` made; None for any other market, and for a start that is none of the timeframe's."""
    found = SLUG.fullmatch(slug)
    if found is None or found[2] not in TIMEFRAME_NS:
        return None
    window = Window(found[1].upper(), found[2], int(found[3]))
    return window if window.start_s % seconds_of(window.timeframe) == 0 else None


def window_start_s(now_s: int, timeframe: str) -> int:
    """The start of the window that holds `now_s`."""
    return now_s - now_s % seconds_of(timeframe)


def is_v2_id(token: int) -> bool:
    """The bit test of both official clients."""
    return token & V2_ZEROS == 0


def condition_of_v2(token: int) -> str:
    """The condition of a v2 position id in the CLOB's form: its upper 31 bytes and a zero byte."""
    return f"0x{token >> 8:062x}00"


def padded_condition(condition: str) -> str | None:
    """The CLOB's form of a condition id, 0x and 64 hex digits in small letters: one of 62 gets a zero byte at its right
    end, because the short one is not found there. None for what is no condition id."""
    small = condition.lower()
    if CONDITION.fullmatch(small) is None:
        return None
    return small if len(small) == 66 else small + "00"

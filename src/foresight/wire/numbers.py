"""Numbers from outside, exactly: decimal text to integer micros, times to nanoseconds. Each raises `Rejected`.

Text goes to micros by its digits and never through a float. The books have ticks of 0.01 and 0.001, so their prices
are looked up in a table (80 ns instead of 360).
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

from foresight.events import ABSENT, NO_STAMP, NOT_TOLD
from foresight.markets import Token
from foresight.money import MICROS
from foresight.wire.rejects import Rejected

DECIMALS = 6
WHOLE_DIGITS_MAX = 12
"""A thousand billion shares in micros still fit into 63 bits."""
TEXT_LENGTH_MAX = 40
STAMP_NS_MAX = 2**63 - 1
MILLISECONDS_MAX = STAMP_NS_MAX // 10**6
MICROSECONDS_FROM = 10**14
"""From here on a time is taken as microseconds: as milliseconds it would be in the year 5138."""
STAMP_DIGITS_MAX = 16
TOKEN_DIGITS_MAX = 78
"""2**256 has 78 digits (venue spec §2.3)."""
LARGEST = 1e15
"""No price and no quantity of an underlying is larger, and sums and products of such floats stay finite."""
AGREE_RELATIVE = 0.1
"""A plain value beside an accurate one may be rounded; a wrong scale differs by much more."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_SCALES = (1_000_000, 100_000, 10_000, 1_000, 100, 10, 1)
"""Micros of the last digit, by the number of decimals."""


def _price_table() -> dict[str, int]:
    """Every price of tick 0.001 as text with and without zeros at its end, and its micros."""
    table: dict[str, int] = {}
    for thousandths in range(1, 1000):
        text = f"0.{thousandths:03d}"
        while True:
            table[text] = thousandths * 1000
            if not text.endswith("0"):
                break
            text = text[:-1]
    return table


_PRICES = _price_table()


def micros_of(text: str, what: str) -> int:
    """`micros_of("9.43", "size") == 9_430_000`. No sign, no exponent, nothing finer than a micro."""
    whole, _, fraction = text.partition(".")
    if len(fraction) > DECIMALS:
        fraction = _shortened(text, fraction, what)
    digits = whole + fraction
    if len(whole) > WHOLE_DIGITS_MAX or not (digits.isdigit() and digits.isascii()):
        raise Rejected(f"bad-{what}", f"{text[:40]!r} is no {what}")
    return int(digits) * _SCALES[len(fraction)]


def _shortened(text: str, fraction: str, what: str) -> str:
    if len(text) > TEXT_LENGTH_MAX or fraction[DECIMALS:].strip("0"):
        raise Rejected(f"bad-{what}", f"{text[:40]!r} is finer than a millionth")
    return fraction[:DECIMALS]


def price_of(text: str, what: str = "price") -> int:
    """A price of an outcome, or a tick: above 0 and below 1."""
    found = _PRICES.get(text)
    if found is not None:
        return found
    return _inside(micros_of(text, what), what)


def price_of_number(number: float, what: str = "price") -> int:
    """A price or a tick that comes as a JSON number."""
    return _inside(micros_of_number(number, what), what)


def _inside(price_micros: int, what: str) -> int:
    if not 0 < price_micros < MICROS:
        raise Rejected(f"bad-{what}", f"a {what} of {price_micros} micros is not between 0 and 1")
    return price_micros


def named_price(text: str | None) -> int:
    """The top of a side as the venue names it. A price cannot be 0 or 1: a side named so, or "", is empty."""
    if text is None:
        return NOT_TOLD
    found = _PRICES.get(text)
    if found is not None:
        return found
    price_micros = micros_of(text, "price") if text else 0
    if price_micros > MICROS:
        raise Rejected("bad-price", f"a best price of {text} is above 1")
    return ABSENT if price_micros == MICROS else price_micros


def size_of(text: str) -> int:
    return micros_of(text, "size")


def micros_of_number(number: float, what: str) -> int:
    """A JSON number that stands for decimal text, such as 0.001: the text is what six decimals give back exactly."""
    text = f"{number:.6f}"
    if float(text) != number:
        raise Rejected(f"bad-{what}", f"{number!r} is no {what} in millionths")
    return micros_of(text, what)


def rounded_micros(number: float, what: str) -> int:
    """A measured JSON number (a double) to the nearest micro."""
    return micros_of(f"{number:.6f}", what)


def stamp_of(stamp: str | int) -> int:
    """Milliseconds, as a number or as text, to nanoseconds; "" is NO_STAMP."""
    if isinstance(stamp, int):
        return ns_of(stamp)
    if not stamp:
        return NO_STAMP
    if len(stamp) > STAMP_DIGITS_MAX or not (stamp.isdigit() and stamp.isascii()):
        raise Rejected("bad-stamp", f"{stamp[:40]!r} is no time in milliseconds")
    return ns_of(int(stamp))


def ns_of(time: int) -> int:
    """Milliseconds, or microseconds when the number is of that size, to nanoseconds."""
    if 0 <= time < MILLISECONDS_MAX:
        return time * 1_000_000
    return _possible(time * 1_000 if time >= MICROSECONDS_FROM else time * 1_000_000)


def ns_of_seconds(time: int) -> int:
    return _possible(time * 10**9)


def ns_of_moment(moment: datetime) -> int:
    """A moment with its zone to nanoseconds, by integers."""
    if moment.tzinfo is None:
        raise Rejected("bad-stamp", f"{moment} has no time zone")
    return _possible((moment - EPOCH) // timedelta(microseconds=1) * 1000)


def _possible(time_ns: int) -> int:
    if not 0 <= time_ns <= STAMP_NS_MAX:
        raise Rejected("bad-stamp", "a time before 1970 or after 2262")
    return time_ns


@lru_cache(maxsize=1024)
def token_of(text: str) -> Token:
    """An outcome's id: decimal digits, 78 at most (venue spec §2.3). The ids of a day's markets are few and long: the
    cache saves 0.3 us for each, and one object for all of an id makes it quick to look up."""
    if len(text) > TOKEN_DIGITS_MAX or not (text.isdigit() and text.isascii()):
        raise Rejected("bad-token", f"{text[:40]!r} is no id of an outcome")
    return Token(text)


def measured(number: float, what: str = "price") -> float:
    """A price of an underlying: above 0, below 1e15."""
    if not 0.0 < number < LARGEST:
        raise Rejected(f"bad-{what}", f"{number!r} is no {what}")
    return number


def quantity_of(number: float, what: str = "quantity") -> float:
    """A quantity of an underlying: not negative, below 1e15."""
    if not 0.0 <= number < LARGEST:
        raise Rejected(f"bad-{what}", f"{number!r} is no {what}")
    return number


def count_of(number: int) -> int:
    """An id or a sequence number: not negative and of 63 bits."""
    if not 0 <= number <= STAMP_NS_MAX:
        raise Rejected("bad-id", "an id that is negative or has more than 63 bits")
    return number


def accurate(value: float, plain: float | None) -> float:
    """The accurate value of a price, if it is of the size of the plain one beside it: the venues scale the accurate one
    by 1e18 here and not there, and an unnoticed change of that must not become a price."""
    if plain is not None and not abs(value - plain) <= AGREE_RELATIVE * value:
        raise Rejected("bad-scale", f"{value} and {plain} are not one price")
    return measured(value)

"""Randomness that is the same on every machine: seeded uniform streams, and normal variates made from them.

Only `+ - * /`, square roots and comparisons are used, which IEEE 754 rounds in exactly one way; `math.exp`, `math.log`
and `math.erf` come from the platform's C library and differ in the last bit between machines. `random.Random.random`
is the Mersenne Twister, which Python promises to keep. This file is the one home of `random`.
"""

import hashlib
import random
import struct
from collections.abc import Callable
from types import BuiltinMethodType

Uniform = Callable[[], float]

_STREAM_VERSION = 3
_STREAM = struct.Struct("<625I")
"""The 624 words of the Mersenne Twister, and which of them is next."""
STREAM_BYTES = _STREAM.size

_CDF_STEPS_PER_UNIT = 128
_CDF_REACH = 6
_QUANTILE_CELLS = 512
_QUANTILE_TAIL = 3.44
"""Where the outermost cells of the variate end: it gives the variates a variance of 1.000."""
_INVERSE_ROOT_TWO_PI = 0.3989422804014327


def uniform_stream(seed: int, *names: str) -> Uniform:
    """A stream of numbers in [0, 1) of its own for this seed and these names; other streams do not shift it."""
    digest = hashlib.sha256(":".join((str(seed), *names)).encode()).digest()
    return random.Random(int.from_bytes(digest, "big")).random


def place_of(uniform: Uniform) -> bytes:
    """Where a stream of `uniform_stream` is."""
    return _STREAM.pack(*_source(uniform).getstate()[1])


def put_at(uniform: Uniform, place: bytes) -> None:
    """The stream goes on from a place that `place_of` told."""
    _source(uniform).setstate((_STREAM_VERSION, _STREAM.unpack(place), None))


def _source(uniform: Uniform) -> random.Random:
    assert isinstance(uniform, BuiltinMethodType)
    source = uniform.__self__
    assert isinstance(source, random.Random)
    return source


def exponential(x: float) -> float:
    """e to the power x; relative error below 1e-12 for |x| <= 30.

    The Taylor series at x / 1024, of which 9 terms suffice below 0.03, squared ten times (Abramowitz and Stegun 4.2.1).
    """
    reduced = x / 1024
    term = total = 1.0
    for n in range(1, 10):
        term *= reduced / n
        total += term
    for _ in range(10):
        total *= total
    return total


def exact_normal_cdf(x: float) -> float:
    """The probability that a standard normal variate is at most x; absolute error below 1e-12 for |x| <= 6.

    Source: G. Marsaglia, Evaluating the Normal Distribution, Journal of Statistical Software 11(4), 2004:
    1/2 + density(x) · (x + x³/3 + x⁵/(3·5) + x⁷/(3·5·7) + …).
    """
    term = total = x
    n = 1
    while total != total + term:
        n += 2
        term *= x * x / n
        total += term
    return 0.5 + total * _density(x)


def normal_cdf(x: float) -> float:
    """As `exact_normal_cdf`, from a table with linear interpolation; absolute error below 2e-6 everywhere.

    The error of the interpolation is at most step² / 8 times the largest slope of the density, 0.242.
    """
    if x >= _CDF_REACH:
        return 1.0
    if x <= -_CDF_REACH:
        return 0.0
    place = (x + _CDF_REACH) * _CDF_STEPS_PER_UNIT
    index = int(place)
    low = _CDF[index]
    return low + (place - index) * (_CDF[index + 1] - low)


def normal_of(uniform: float) -> float:
    """The standard normal variate at this quantile, for 0 <= uniform < 1, from a table with linear interpolation.

    Inside the quantiles 1/512 and 511/512 its error is below 0.02; outside it runs straight to ±3.44, so it has no
    tails beyond: the market's come from regimes and jumps. Mean 0 and variance 1 hold within 1e-3.
    """
    place = uniform * _QUANTILE_CELLS
    index = int(place)
    low = _QUANTILES[index]
    return low + (place - index) * (_QUANTILES[index + 1] - low)


def _density(x: float) -> float:
    return _INVERSE_ROOT_TWO_PI * exponential(-x * x / 2)


def _cdf_table() -> list[float]:
    upper = [exact_normal_cdf(n / _CDF_STEPS_PER_UNIT) for n in range(_CDF_REACH * _CDF_STEPS_PER_UNIT + 2)]
    return [1.0 - value for value in upper[_CDF_REACH * _CDF_STEPS_PER_UNIT : 0 : -1]] + upper


def _quantile_table() -> list[float]:
    """The variates at 0/512, 1/512 … 512/512, each found by Newton's method from its neighbour."""
    half = _QUANTILE_CELLS // 2
    upper = [0.0]
    for cell in range(half + 1, _QUANTILE_CELLS):
        x = upper[-1]
        for _ in range(6):
            x += (cell / _QUANTILE_CELLS - exact_normal_cdf(x)) / _density(x)
        upper.append(x)
    upper.append(_QUANTILE_TAIL)
    return [-x for x in upper[:0:-1]] + upper


_CDF = _cdf_table()
_QUANTILES = _quantile_table()

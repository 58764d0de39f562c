"""Round trips to hosts: how long a call takes beside the live function itself."""

from collections import deque

import msgspec

SAMPLES_MAX = 2048


class RoundTripTimes(msgspec.Struct, frozen=True):
    """Microseconds over the newest calls; zeros without any."""

    calls: int
    p50_us: float
    p99_us: float
    max_us: float


class RoundTrips:
    """Percentiles are over the newest calls, the maximum since the start."""

    def __init__(self) -> None:
        self._samples: deque[int] = deque(maxlen=SAMPLES_MAX)
        self._calls = 0
        self._max_ns = 0

    def took(self, took_ns: int) -> None:
        self._calls += 1
        self._samples.append(took_ns)
        self._max_ns = max(self._max_ns, took_ns)

    def times(self) -> RoundTripTimes:
        ordered = sorted(self._samples)
        if not ordered:
            return RoundTripTimes(0, 0.0, 0.0, 0.0)
        last = len(ordered) - 1
        p50, p99 = ordered[last // 2], ordered[round(last * 0.99)]
        return RoundTripTimes(self._calls, p50 / 1e3, p99 / 1e3, self._max_ns / 1e3)

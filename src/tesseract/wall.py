"""The wall clock's home in the runtime: for the store's records and the default time of a tape."""

import time


def wall_ns() -> int:
    """Nanoseconds since 1970, in UTC."""
    return time.time_ns()

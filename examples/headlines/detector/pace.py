"""How fast headlines come."""


def paces(times_s: tuple[float, ...], window_s: float) -> tuple[float, float]:
    """Headlines a minute in the window that ends with the last one, and before it; the latter is 0 when there is less
    than a window before it."""
    began_s, ended_s = times_s[0], times_s[-1] - window_s
    before = sum(at_s <= ended_s for at_s in times_s)
    now = 60.0 * (len(times_s) - before) / window_s
    usual = 60.0 * before / (ended_s - began_s) if ended_s - began_s >= window_s else 0.0
    return now, usual

"""Whether an answer of live code that has the right types can be used."""

import math

from foresight.events import Answer, Decided


def problem_of(event: Answer | Decided) -> str | None:
    """Why an answer of the right types is still not usable; None when it is."""
    if event.fair is not None and not 0.0 <= event.fair <= 1.0:
        return f"fair is {event.fair}, and must be a probability between 0 and 1"
    for name, value in event.signals.items():
        if value is not None and not math.isfinite(value):
            return f"signal {name} is {value}, and must be a finite number or None"
    names = [verdict.gate for verdict in event.verdicts]
    if len(set(names)) != len(names):
        return f"a gate answers twice: {', '.join(names)}"
    return None

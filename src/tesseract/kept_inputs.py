"""What a candidate has still to take: the inputs since its states were handed over, in their order.

A candidate that never finds a moment between calls has the next ones held back; they begin when it has gone live, or
was given up.
"""

from collections.abc import Callable, Iterable

from tesseract.routes import Input, Route

BEHIND_MAX = 20_000
"""Inputs that are kept while a candidate is staged."""


class KeptInputs:
    """The seam says what comes; the deployer takes it, for the one candidate that is on its way."""

    def __init__(self) -> None:
        self.since: list[Input] | None = None
        """None while there is no candidate."""
        self.held: list[Callable[[], None]] | None = None
        """The calls that are held back; None while calls begin when they come."""
        self.has_lost = False
        """Whether more came than is kept for the candidate, which can then not go live."""

    def begin(self, routes: Iterable[Route]) -> None:
        """From now on inputs are kept, until `forget`; the first are those that the states of now do not know."""
        since: list[Input] = []
        for route in routes:
            if (route.asked is not None or route.backlog) and not route.is_free:
                behind = [asked.input for asked in route.backlog] if route.is_behind else []
                since += behind or ([] if route.asked is None else [route.asked.input])
                since += [taken for taken, _, _ in route.waiting]
        since.sort(key=lambda taken: taken.number)
        self.since, self.has_lost = since, False

    def add(self, taken: Input) -> None:
        """While there is a candidate."""
        assert self.since is not None, "an input is kept for a candidate"
        if len(self.since) < BEHIND_MAX:
            self.since.append(taken)
        else:
            self.has_lost = True

    def numbers(self) -> frozenset[int]:
        """Of the inputs that are kept now."""
        return frozenset(taken.number for taken in self.since or ())

    def next(self, is_wanted: Callable[[str], bool]) -> Input | None:
        """The oldest kept input of a key that is wanted; the others before it are dropped."""
        while self.since:
            taken = self.since.pop(0)
            if is_wanted(taken.key):
                return taken
        return None

    def hold_back(self) -> None:
        """From now on no call begins, until `forget`; those that wait already are still answered."""
        if self.held is None:
            self.held = []

    def forget(self) -> None:
        """Of no candidate; calls that were held back begin now."""
        self.since = None
        held, self.held = self.held or [], None
        for submit in held:
            submit()

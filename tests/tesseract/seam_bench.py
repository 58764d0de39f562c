"""A seam over hosts that answer when they are told to, and everything that it told."""

from release_trees import Told
from told_hosts import COUNTED, State, ToldHost, taken

from tesseract import Outcome, Seam
from tesseract.host import Host
from tesseract.outcomes import RolledBack

ROUNDS = 3


class Bench:
    """A seam with v1 live, and everything that it told."""

    def __init__(self, first: ToldHost | None = None, *, strategy_of: dict[str, str] | None = None) -> None:
        names = strategy_of or {}
        self.v1 = first or ToldHost(1)
        self.seam: Seam[Told] = Seam(COUNTED, self.v1, rounds=ROUNDS, strategy_of=lambda key: names.get(key, ""))
        self.outcomes: list[Outcome[Told]] = []
        self.back: list[RolledBack] = []
        self.clean: list[Host] = []
        self.lost: list[tuple[Host, Host, str]] = []
        self.settled = 0
        self.seam.on_rolled_back = self.back.append
        self.seam.on_clean = self.clean.append
        self.seam.on_standby_lost = lambda *lost: self.lost.append(lost)

    def ask(self, number: int, key: str = "k") -> None:
        self.seam.submit(key, number, self.outcomes.append)

    def answers(self) -> list[object]:
        """Who answered what; the kind of the fault for what has no value."""
        return [
            each.value.value if each.value else [each.release, each.fault and each.fault.kind] for each in self.outcomes
        ]

    def state(self, key: str = "k") -> State:
        return taken(self.seam.state_of(key))

    def states(self) -> dict[str, bytes]:
        return {key: route.state for key, route in self.seam.routes.items()}

    def commit(self, host: ToldHost, **options: object) -> ToldHost:
        """`host` goes on with the states of now."""
        self.seam.commit(host, self.states(), **options)  # type: ignore[arg-type]
        return host


def on_probation() -> tuple[Bench, ToldHost, ToldHost]:
    """v1 has taken 1, v2 replaced it, and the key's next call, 2, waits for both."""
    bench = Bench()
    bench.ask(1)
    bench.v1.answer()
    v2 = bench.commit(ToldHost(2))
    bench.ask(2)
    return bench, bench.v1, v2

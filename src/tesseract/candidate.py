"""One candidate on its way from the store to the commit: its hosts, its states, and the keys that it will answer."""

from collections.abc import Callable
from typing import Any

import msgspec

from tesseract.host import Host
from tesseract.orders import Taken
from tesseract.seam import Seam
from tesseract.staging import Report, StateNow


class Asked(msgspec.Struct):
    """A request without its last word: what it is `called` where it is no deploy, and the release taken for it."""

    called: str = ""
    release: str = ""

    @property
    def not_done(self) -> str:
        is_deploy_of_it = self.release and not self.called
        return f"{self.release} was not deployed" if is_deploy_of_it else f"{self.called or 'the deploy'} was not done"


class Candidate(msgspec.Struct):
    """One candidate on its way from the store to the commit."""

    taken: Taken
    canary: tuple[str, ...]
    shadow_ns: int = 0
    hosts: dict[str, Host] = {}
    states: dict[str, bytes] = {}
    report: Report = Report()
    is_folding: bool = False
    is_stale: bool = False
    folded: int = 0

    def is_wanted(self, seam: Seam[Any]) -> Callable[[str], bool]:
        """Which keys the candidate will answer; not those that it answers already, as a canary."""
        taken, routes = self.taken, seam.routes

        def is_wanted(key: str) -> bool:
            if seam.strategy_of(key) not in taken.strategies or (self.canary and key not in self.canary):
                return False
            spec = routes[key].live.spec if key in routes and taken.what != "params" else None
            return spec is None or (spec.release.number, spec.revision) != (taken.release.number, taken.revision)

        return is_wanted

    def states_now(self, seam: Seam[Any]) -> dict[str, tuple[StateNow, ...]]:
        """The states that the candidate begins with, by strategy and schema; from now on the seam keeps the inputs that
        they do not know. Keys that it answers already, as a canary, stay as they are; a strategy that has no state yet
        is judged by its schema."""
        states = seam.keep_inputs()
        is_wanted = self.is_wanted(seam)
        groups: dict[str, dict[str, dict[str, bytes]]] = {}
        for name in self.taken.strategies:
            host = seam.strategies.get(name)
            groups[name] = {} if host is None else {host.loaded.state_schema: {}}
        for key, state in states.items():
            if is_wanted(key):
                schema = seam.routes[key].live.loaded.state_schema
                groups[seam.strategy_of(key)].setdefault(schema, {})[key] = state
        return {name: tuple(StateNow(mine, schema) for schema, mine in each.items()) for name, each in groups.items()}

    def close(self) -> None:
        """Ends the hosts of a candidate that will not go live."""
        for host in self.hosts.values():
            host.close()

"""One candidate on its way from the store to the commit: its hosts, its states, and the keys that it will answer."""

from collections.abc import Callable
from typing import Any

import msgspec

from tesseract.host import Host
from tesseract.needs import needs_of
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
    is_prepared: bool = True
    """Whether what it needs besides its input is there."""

    def is_wanted(self, seam: Seam[Any]) -> Callable[[str], bool]:
        """Which keys the candidate will answer; not those that it answers already, as a canary."""

        def is_wanted(key: str) -> bool:
            route = seam.routes.get(key)
            strategy = seam.strategy_of(key) if route is None else route.strategy
            if strategy not in self.taken.strategies or (self.canary and key not in self.canary):
                return False
            return route is None or not self._is_at(route.live)

        return is_wanted

    def _is_at(self, host: Host) -> bool:
        """Whether a host runs what this candidate is, and answers as a canary of it."""
        taken, spec = self.taken, host.spec
        own = (taken.release.number, taken.revision)
        return taken.what != "params" and (spec.release.number, spec.revision) == own

    def states_now(self, seam: Seam[Any]) -> dict[str, tuple[StateNow, ...]]:
        """The states that the candidate begins with, by strategy and schema; from now on the seam keeps the inputs that
        they do not know. Keys that it answers already, as a canary, stay as they are; a strategy that has no state yet
        is judged by its schema."""
        seam.keep_inputs()
        groups: dict[str, dict[str, dict[str, bytes]]] = {}
        for name in self.taken.strategies:
            host = seam.strategies.get(name)
            groups[name] = {} if host is None else {host.loaded.state_schema: {}}
        of_host: dict[int, dict[str, bytes]] = {}
        for key, route in seam.routes.items():
            host = route.live
            if id(host) not in of_host:
                is_left = route.strategy not in groups or self._is_at(host)
                mine = {} if is_left else groups[route.strategy].setdefault(host.loaded.state_schema, {})
                of_host[id(host)] = mine
            if not self.canary or key in self.canary:
                of_host[id(host)][key] = route.state
        return {name: tuple(StateNow(mine, schema) for schema, mine in each.items()) for name, each in groups.items()}

    @property
    def needs(self) -> tuple[str, ...]:
        """Of all its strategies, each once."""
        return needs_of(self.hosts.values())

    def close(self) -> None:
        """Ends the hosts of a candidate that will not go live."""
        for host in self.hosts.values():
            host.close()

"""The host inside the caller's process, for replay, simulation, tests and programs with a high rate of calls.

It answers before `submit` returns. The watchdog is a signal, so it works on the main thread; see `watchdog.py` for
what it cannot interrupt.
"""

import itertools
from collections.abc import Callable
from types import ModuleType
from typing import Protocol

from tesseract.calls import Answer, CarriedOver, HostSpec, Loaded, Rehearse, Rehearsed, Told
from tesseract.contract import Contract
from tesseract.errors import ReleaseRefused
from tesseract.guest import Guest, name_of, not_as_stored, sentence_of
from tesseract.namespace import Namespace
from tesseract.rehearsal import Rehearsal
from tesseract.release import Release
from tesseract.tape import read_tape
from tesseract.watchdog import Watchdog

_HOSTS = itertools.count(1)
"""Two hosts of one release never share a module, not even when one was dropped without `close`."""

Deliver = Callable[[Answer], None]


class Host(Protocol):
    """What the seam asks of a host."""

    spec: HostSpec
    loaded: Loaded

    def submit(self, given: object, encoded: bytes, state: bytes, deliver: Deliver) -> None:
        """Calls the entry function; the answer goes to `deliver`, at once or later, exactly once."""
        ...

    def close(self) -> None:
        """Ends it. Calls that wait for their answer get none."""
        ...


class StagedHost(Protocol):
    """What staging asks of a candidate's host, before it goes live. Each method waits for its answer, and raises
    ReleaseRefused when the host ends or hangs instead."""

    loaded: Loaded

    def carry(self, states: dict[str, bytes], old_schema: str) -> CarriedOver: ...
    def rehearse(self, asked: Rehearse, *, within_s: float) -> Rehearsed: ...
    def told(self, place: int) -> Told: ...
    def close(self) -> None: ...


class InProcessHost:
    """Runs one strategy of one release inside this process."""

    def __init__(
        self,
        release: Release,
        contract: Contract,
        *,
        budget_s: float = 1.0,
        module: str = "",
        overrides: dict[str, object] | None = None,
        revision: int = 1,
        tape: tuple[tuple[int, int], ...] = (),
    ) -> None:
        """Imports the release. Raises `ReleaseRefused` with every problem; nothing of it is then left behind."""
        self.spec = HostSpec(
            release=release,
            module=module or release.package,
            contract="",
            overrides=overrides or {},
            revision=revision,
            budget_ns=round(budget_s * 1e9),
        )
        self._tape = tape
        self._rehearsal: Rehearsal | None = None
        identity = f"{release.digest[:12]}_{next(_HOSTS):09}"  # of one length: see `Guest.digest_of`
        self._namespace = Namespace(release.path.parent, release.package, identity)
        try:
            self.guest = Guest(self.spec, contract, self._import(), Watchdog())
            self.loaded = self._loaded()
        except BaseException:  # a Ctrl-C as well
            self._namespace.close()
            raise

    def _import(self) -> ModuleType:
        try:
            return Watchdog().run(self.spec.import_ns, lambda: self._namespace.load(self.spec.module))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - live code is executed here; whatever it raises refuses it
            problem = sentence_of(error, self.spec.release.path)
            raise ReleaseRefused(name_of(self.spec), [problem]) from None

    def _loaded(self) -> Loaded:
        loaded = self.guest.loaded()
        if loaded.digest != self.spec.release.digest:
            raise ReleaseRefused(name_of(self.spec), [not_as_stored(self.spec)])
        return loaded

    def submit(self, given: object, encoded: bytes, state: bytes, deliver: Deliver) -> None:
        deliver(self.guest.call(given if given is not None else self.guest.given_of(encoded), state))

    def carry(self, states: dict[str, bytes], old_schema: str) -> CarriedOver:
        return self.guest.carry(states, old_schema)

    def rehearse(self, asked: Rehearse, *, within_s: float) -> Rehearsed:
        """`within_s` is for hosts that can be killed; here each call has its own limit."""
        del within_s
        self._rehearsal = Rehearsal(self.guest, read_tape(self._tape), asked)
        return self._rehearsal.run()

    def told(self, place: int) -> Told:
        assert self._rehearsal is not None, "only what was rehearsed can be told"
        return self._rehearsal.answer_at(place)

    def close(self) -> None:
        self._namespace.close()

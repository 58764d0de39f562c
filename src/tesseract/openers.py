"""Where staging gets its hosts from: two zygotes, or this very process."""

from collections.abc import Sequence

from tesseract.calls import HostSpec, Rehearse, Rehearsed
from tesseract.contract import Contract
from tesseract.host import InProcessHost, StagedHost
from tesseract.staged_process import StagedProcess, ZygoteLink
from tesseract.staging import REHEARSAL_S


class ProcessOpener:
    """The candidate's host is forked by the program's zygote, its twin by another one with another hash seed."""

    def __init__(self, zygote: ZygoteLink, twins: ZygoteLink) -> None:
        self._zygote = zygote
        self._twins = twins

    def open(self, spec: HostSpec, tape: Sequence[tuple[int, int]]) -> StagedHost:
        return self._zygote.fork(spec, tape)

    def open_twin(self, spec: HostSpec, tape: Sequence[tuple[int, int]]) -> StagedHost:
        return self._twins.fork(spec, tape)

    def rehearse_both(self, host: StagedHost, twin: StagedHost, asked: Rehearse) -> tuple[Rehearsed, Rehearsed]:
        """Both at once, each on a core of its own where there are two."""
        assert isinstance(host, StagedProcess)
        assert isinstance(twin, StagedProcess)
        host.begin_rehearsal(asked)
        twin.begin_rehearsal(asked)
        return host.end_rehearsal(REHEARSAL_S), twin.end_rehearsal(REHEARSAL_S)


class InProcessOpener:
    """Hosts inside this process. The twin has the same hash seed, so the order of a set is not found out here."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract

    def open(self, spec: HostSpec, tape: Sequence[tuple[int, int]]) -> StagedHost:
        return InProcessHost(
            spec.release,
            self._contract,
            budget_s=spec.budget_ns / 1e9,
            module=spec.module,
            overrides=spec.overrides,
            revision=spec.revision,
            tape=tuple(tape),
        )

    def open_twin(self, spec: HostSpec, tape: Sequence[tuple[int, int]]) -> StagedHost:
        return self.open(spec, tape)

    def rehearse_both(self, host: StagedHost, twin: StagedHost, asked: Rehearse) -> tuple[Rehearsed, Rehearsed]:
        return host.rehearse(asked, within_s=REHEARSAL_S), twin.rehearse(asked, within_s=REHEARSAL_S)

"""Probation: a release that went live is kept, goes back, or gives way to the one that was kept last.

What a person asks, a rollback or a keep, acts at once on what is live now. The rest is what the seam says: that a
release has had all its rounds, that it failed and its standby answers again, or that it failed and has none.
"""

from collections.abc import Callable
from typing import Any

from tesseract.calls import Fault
from tesseract.deploy_events import Event, Kept, Notice, WentBack
from tesseract.errors import RequestRefused
from tesseract.host import Host
from tesseract.links import WorkshopLink
from tesseract.orders import Moved, Take
from tesseract.outcomes import RolledBack
from tesseract.release import Release
from tesseract.seam import Seam


class Probation:
    """Of all that is live on a seam. `take` begins a deploy; `went_back` is told what a rollback moved in the store,
    with its event; every other event goes to `on_event`."""

    def __init__(
        self,
        seam: Seam[Any],
        link: WorkshopLink,
        *,
        take: Callable[[Take], None],
        on_event: Callable[[Event], None],
        went_back: Callable[[list[Moved], WentBack], None],
    ) -> None:
        self._seam = seam
        self._link = link
        self._take = take
        self._on_event = on_event
        self._went_back = went_back
        self._request = ""
        """The one that a rollback is done for, while it is done."""
        self._kept: set[int] = set()
        self._failed_at: dict[int, str] = {}
        """What releases said that failed before they were kept, without a standby."""
        seam.on_rolled_back = self._rolled_back
        seam.on_clean = self._clean
        seam.on_standby_lost = self._standby_lost
        seam.on_fault = self._failed

    def roll_back(self, request: str, author: str) -> None:
        """Puts back what the newest release on probation replaced. Raises RequestRefused when there is none."""
        host = self._newest(self._seam.has_standby)
        if host is None:
            running = self._newest(lambda _each: True)
            assert running is not None
            name = running.spec.release.name
            example = "" if name == "v1" else ", such as v1"
            why = f"{name} has no standby; name a release to go back to{example}"
            raise RequestRefused(f"{why}; {name} is still running")
        self._request = request
        try:
            self._seam.roll_back(host, f"asked for by {author}")
        finally:
            self._request = ""

    def keep(self, request: str, author: str) -> None:
        """Ends the probation of the newest release, for good; a canary is put on every key first, and goes the way of
        a deploy. Raises RequestRefused when nothing is on probation and what runs has been kept."""
        host = self._newest(self._seam.has_standby) or self._newest(lambda each: not self._is_kept(each))
        if host is None:
            running = self._seam.running()
            why = f"nothing is on probation, and {running} has been kept already"
            raise RequestRefused(f"{why}; {running} is still running")
        if not self._is_canary(host):
            self._keep(host, request, author)
            return
        name = host.spec.release.name
        self._take(Take(request=request, what="release", where=name, author=author, is_forced=True))

    def trip(self, release: str, text: str) -> None:
        """A tripwire of the program itself: takes the release back if it is still on probation."""
        host = self._newest(lambda each: each.spec.release.name == release and self._seam.has_standby(each))
        if host is not None:
            self._seam.roll_back(host, text)

    def superseded(self, replaced: list[Release]) -> list[Moved]:
        """A release that was replaced before it was kept has not proved itself. One that still answers, for another
        strategy or with other parameters, may."""
        running = {host.spec.release.number for host in self._seam.strategies.values()}
        gone = [release.number for release in replaced if release.number not in running]
        return [
            Moved(number, "rolled back", self._failed_at[number])
            if number in self._failed_at
            else Moved(number, "superseded", "replaced before it was kept")
            for number in gone
        ]

    # What the seam says

    def _clean(self, host: Host) -> None:
        if self._is_canary(host):
            name = host.spec.release.name
            self._on_event(Notice(f"{name} has passed its probation as a canary; `keep` puts it everywhere"))
        elif self._seam.has_standby(host) or not self._is_kept(host):
            self._keep(host, "", "probation")

    def _standby_lost(self, live: Host, standby: Host, why: str) -> None:
        lost, name = standby.spec.release.name, live.spec.release.name
        self._on_event(Notice(f"{lost} stands by no more: {why}; {name} goes on without a standby"))

    def _failed(self, host: Host, key: str, fault: Fault) -> None:
        """A release that nothing stands by for, and that has not been kept, gives way to the one that was kept last; a
        canary to what answers the other keys."""
        release = host.spec.release
        if release.number in self._failed_at or self._is_kept(host) or self._seam.has_standby(host):
            return
        if self._is_canary(host):
            for left in self._seam.recall(host, key, fault):
                self._on_event(Notice(f"the State of {release.name} is another one: {left} begins anew"))
            return
        self._failed_at[release.number] = f"{key}: {fault.line}"
        what = f"{release.name} failed before it was kept, and nothing stands by for it"
        self._on_event(Notice(f"{what}: {key}: {fault.line}; the release that was kept last is put back"))
        self._take(Take(request=f"instead-of-{release.name}", what="kept", author="probation", is_forced=True))

    def _keep(self, host: Host, request: str, by: str) -> None:
        release, revision = host.spec.release, host.spec.revision
        self._kept.add(release.number)
        self._seam.keep(host)
        self._link.order(Moved(release.number, "kept", f"by {by}"))
        self._on_event(Kept(request, release, revision, by))

    def _rolled_back(self, event: RolledBack) -> None:
        where = f"{event.key}: " if event.key else ""
        moves = []
        if event.release.number != event.back_to.number:
            why = f"{event.release.name} was rolled back"
            moves.append(Moved(event.release.number, "rolled back", f"{where}{event.line}"))
            moves.append(Moved(event.back_to.number, "live", why, unless_kept=True))
        self._went_back(
            moves,
            WentBack(
                self._request,
                event.release,
                event.revision,
                event.back_to,
                event.back_to_revision,
                f"{where}{event.line}",
                event.text,
                event.needs,
            ),
        )

    def _newest(self, is_meant: Callable[[Host], bool]) -> Host | None:
        live = [*self._seam.strategies.values(), *(route.live for route in self._seam.routes.values())]
        found = [host for host in live if is_meant(host)]
        return max(found, key=lambda host: (host.spec.release.number, host.spec.revision), default=None)

    def _is_kept(self, host: Host) -> bool:
        """Whether it has been kept since the start; a rollback can put back a release that has not."""
        return host.spec.release.number in self._kept

    def _is_canary(self, host: Host) -> bool:
        """Whether it answers some keys, and another release is what the strategy stands for."""
        spec = host.spec
        live = [each.spec for each in self._seam.strategies.values()]
        return all((each.release.number, each.revision) != (spec.release.number, spec.revision) for each in live)

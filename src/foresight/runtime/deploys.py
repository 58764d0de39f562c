"""What is told of deploys: the document of the live code, and the sentences that know of slots, files and commands."""

import msgspec

from foresight.engine.shadow import ShadowReport
from foresight.events import Answer
from foresight.runtime.clock import wall_ns
from tesseract import NotDone, Request, RoundTripTimes, Seam, WentLive

FORCING = "`foresight deploy --force` deploys it all the same"
"""What to do about content that is barred."""

ELSEWHERE = (
    "every slot has it already, as it has every save while files are followed: edit a copy of the folder and name it,"
    ' `foresight deploy PATH …`, or set follow = "none" in [deploy]'
)
"""What to do about a canary or a shadow of what runs."""

PARAMETERS_SHOWN_NS = 10 * 60 * 1_000_000_000
"""How long a refusal of parameters stands on screens: `desired.json` may be put back without another deploy."""

RECENT_NS = 60 * 1_000_000_000
"""How long the last word on a deploy is news."""


class CanaryDocument(msgspec.Struct, frozen=True):
    """A release that answers some slots only."""

    release: str
    slots: tuple[str, ...]


class ShadowDocument(msgspec.Struct, frozen=True):
    """A release that is asked beside the live one, until this venue time."""

    release: str
    until_ns: int


class DeployDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What is live and what is on its way. `rounds` counts the fewest answers of any slot since the last commit, out of
    `probation_rounds`; `standby` answers when the live one fails. `pin` is the release beside which none goes live.
    `waiting` are commits of the followed branch that are
    not live, `waiting_since` when the oldest of them was made. `setback` is the newest refusal or rollback, until
    something goes live; empty then. `recent` is `last` while it is news. `round_trip_us` is what a call costs beside
    the live function; `confined` says what the kernel keeps from live code."""

    live: str
    revision: int
    standby: str | None
    rounds: int
    probation_rounds: int
    canary: CanaryDocument | None
    shadow: ShadowDocument | None
    follow: str
    pin: str
    waiting: int
    waiting_since: str
    last: str
    recent: str
    last_refusal: str
    setback: str
    round_trip_us: RoundTripTimes
    confined: dict[str, str]


class LastWords:
    """The last sentences about deploys."""

    def __init__(self) -> None:
        self.last = self.refusal = ""
        self._last_ns = 0
        self._setback, self._setback_until_ns = "", 0

    def say(self, text: str) -> None:
        self.last, self._last_ns = text, wall_ns()

    def done(self, text: str) -> None:
        """Something went as it was asked, and what was refused before is history."""
        self.say(text)
        self._setback = ""

    def in_order(self) -> None:
        """What was asked for runs already: a bad edit was taken back."""
        self._setback = ""

    def set_back(self, text: str, *, until_ns: int = 0) -> None:
        """Stands until something is done, or only until this wall time."""
        self._setback, self._setback_until_ns = text, until_ns

    def refused(self, text: str, *, is_of_parameters: bool) -> None:
        self.refusal = text
        self.set_back(text, until_ns=wall_ns() + PARAMETERS_SHOWN_NS if is_of_parameters else 0)

    @property
    def recent(self) -> str:
        return self.last if wall_ns() - self._last_ns < RECENT_NS else ""

    @property
    def setback(self) -> str:
        is_over = 0 < self._setback_until_ns <= wall_ns()
        return "" if is_over else self._setback


def canary_of(seam: Seam[Answer]) -> CanaryDocument | None:
    """The newest release that answers slots whose strategy stands for another one."""
    found: dict[int, list[str]] = {}
    for key, route in seam.routes.items():
        whole, mine = seam.strategies.get(seam.strategy_of(key)), route.live.spec
        if whole is not None and (mine.release.number, mine.revision) != (
            whole.spec.release.number,
            whole.spec.revision,
        ):
            found.setdefault(mine.release.number, []).append(key)
    number = max(found, default=None)
    return None if number is None else CanaryDocument(f"v{number}", tuple(found[number]))


def live_text(event: WentLive, request: Request | None, running: str) -> str:
    """The sentence of a commit, with what becomes of the slots that it was not for, and of those it now has."""
    if event.keys:
        return f"{event.text}; {running} answers the other slots, and `foresight keep` puts {event.release.name} on all"
    if request is not None and request.action == "keep":
        return f"{event.text}; it answers every slot now, and is kept after its probation"
    return event.text


def not_done_text(event: NotDone, request: Request | None) -> str:
    """What a person is told: the runtime's sentence, and what to do next."""
    if event.is_refused:
        return f"{event.text}; {FORCING}" if event.release and event.step == "snapshot" else event.text
    return event.text if request is None else _nothing_to_do(event, request)


def is_in_vain(event: NotDone, request: Request | None) -> bool:
    """Whether a canary or a shadow was asked of what every slot has already."""
    return not event.is_refused and request is not None and bool(request.canary or request.shadow_s)


def _nothing_to_do(event: NotDone, request: Request) -> str:
    if is_in_vain(event, request):
        return f"{event.text}; {ELSEWHERE}"
    return f"{event.text}; `foresight releases` shows its note" if request.note else event.text


def shadow_text(made: ShadowReport) -> str:
    """What a shadow made on paper, and the live trades beside it, as the end of a sentence."""
    return (
        f"as a shadow it gave {made.answers} answers, entered {made.entries} times and closed {made.trades} trades"
        f" ({made.wins} won) for {made.pnl:+.2f} USD on paper; the live trades of the same time and slots:"
        f" {made.live_trades} ({made.live_wins} won) for {made.live_pnl:+.2f} USD"
    )

"""Which release answers in which slot, and what a change of it means for the slots."""

from collections.abc import Iterable, Sequence

from foresight.effects import Effect, Journal, Notify, Refusal, ReleaseEnded, ReleaseLive, Trip
from foresight.engine.slots import SlotState
from foresight.events import DeployRefused, ReleaseBack, ReleaseBound, ReleaseEvent, ReleaseKept, Shadowing

FAILURES_MAX = 3
"""A slot whose due evaluations fail so many times in a row is paused, until another release answers there."""
ORDER_RATE = "order_rate"
"""The risk rule that is a tripwire, too."""
PAUSED = f"paused: live code failed {FAILURES_MAX} rounds in a row"


class LiveReleases:
    """The release that answers most slots, for screens; each slot knows its own. `since_ns` is when the first one of
    all was bound: what was due before that is held against nobody."""

    def __init__(self) -> None:
        self.since_ns = 0
        self.release, self.digest, self.revision = "v0", "", 0
        self.params: dict[str, object] = {}

    def take(self, seq: int, event: ReleaseEvent, slots: Iterable[SlotState]) -> Sequence[Effect]:
        """One event about releases."""
        match event:
            case ReleaseBound():
                return self._bound(seq, event, slots)
            case ReleaseBack():
                return self._back(seq, event, slots)
            case ReleaseKept():
                text = f"kept by {event.by}"
                entry = ReleaseEnded(event.release, event.revision, "kept", "", text)
                return [
                    Journal(seq, event.at_ns, entry),
                    Notify(event.at_ns, "info", f"release {event.release} r{event.revision} is {text}"),
                ]
            case Shadowing():
                text = f"release {event.release} is {event.text}"
                entry = ReleaseEnded(event.release, 0, "shadow", "", event.text)
                return [Journal(seq, event.at_ns, entry), Notify(event.at_ns, "info", text)]
            case DeployRefused():
                entry = ReleaseEnded(event.release, 0, "refused", "", event.text)
                return [Journal(seq, event.at_ns, entry), Notify(event.at_ns, "error", event.text)]

    def _bound(self, seq: int, event: ReleaseBound, slots: Iterable[SlotState]) -> Sequence[Effect]:
        self.since_ns = self.since_ns or event.at_ns
        if not event.slots:
            self.release, self.digest, self.revision = event.release, event.digest, event.revision
            self.params = event.params
        for slot in slots:
            if not event.slots or slot.id in event.slots:
                _bind(slot, event.release, event.revision, event.needs)
        entry = ReleaseLive(
            event.release,
            event.digest,
            event.revision,
            event.params,
            event.slots,
            event.origin,
            event.author,
            event.replaced,
        )
        where = f" in {', '.join(event.slots)}" if event.slots else ""
        instead = f" in place of {event.replaced}" if event.replaced else ""
        text = (
            f"release {event.release} ({event.digest[:12]}) with parameters r{event.revision} is live{where}{instead}"
        )
        note = f"; {event.note}" if event.note else ""
        return [Journal(seq, event.at_ns, entry), Notify(event.at_ns, "info", text + note)]

    def _back(self, seq: int, event: ReleaseBack, slots: Iterable[SlotState]) -> Sequence[Effect]:
        """Slots of the release that failed have the other one again; slots where it never was are not touched."""
        for slot in slots:
            if (slot.release, slot.revision) == (event.release, event.revision):
                _bind(slot, event.to, event.to_revision, event.needs)
        if (self.release, self.revision) == (event.release, event.revision):
            self.release, self.digest, self.revision = event.to, event.to_digest, event.to_revision
        entry = ReleaseEnded(event.release, event.revision, "rolled back", event.to, event.text)
        text = (
            f"release {event.release} r{event.revision} was rolled back: {event.line}; {event.to} answers in its place"
        )
        return [Journal(seq, event.at_ns, entry), Notify(event.at_ns, "error", text)]


def trips(release: str, refusals: Sequence[Refusal], *, orders_of_it: int, orders_max: int) -> list[Trip]:
    """A release that wants more orders than the limit lets through is no strategy but an accident. It must have sent
    them itself, `orders_of_it` in the last minute: orders of the release before it are not held against it."""
    if orders_of_it < orders_max:
        return []
    return [Trip(release, f"order storm: {each.text}") for each in refusals if each.name == ORDER_RATE]


def pause(slot: SlotState, at_ns: int) -> Sequence[Effect]:
    """Pauses a slot whose rounds have failed too often in a row."""
    if slot.failures < FAILURES_MAX or slot.is_paused:
        return ()
    slot.is_paused = True
    slot.note = PAUSED
    text = f"{slot.id} is {PAUSED}; it goes on when another release is live there; the other slots go on"
    return [Notify(at_ns, "error", text)]


def _bind(slot: SlotState, release: str, revision: int, needs: tuple[str, ...]) -> None:
    slot.release, slot.revision, slot.needs = release, revision, needs
    slot.failures, slot.is_paused = 0, False

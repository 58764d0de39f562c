"""The bot's live code: a Tesseract runtime over `strategy/`, and what happens to releases as events of the engine."""

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

import tesseract
from foresight import contract, events
from foresight.bot_folder import BotFolder
from foresight.config import Config
from foresight.events import Answer, DeployRefused, ReleaseBack, ReleaseBound, ReleaseEvent, ReleaseKept, Shadowed
from foresight.markets import MarketId, SlotId, slot_id
from foresight.runtime.clock import wall_ns
from foresight.strategy import View
from tesseract import (
    Event,
    Host,
    Kept,
    NotDone,
    Notice,
    Request,
    RequestRefused,
    RoundTripTimes,
    Rules,
    Runtime,
    Shadowing,
    ShadowInput,
    Strategy,
    WentBack,
    WentLive,
    Workplace,
)

RESIDENT = ("foresight", "tesseract")
MEBIBYTE = 1024 * 1024
MINUTE_NS = 60 * 1_000_000_000
FORCING = "`foresight deploy --force` deploys it all the same"
"""What to do about content that is barred."""


class DeployDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What is live and what is on its way. `rounds` counts the fewest answers of any slot since the last commit, out of
    `probation_rounds`; `standby` answers when the live one fails. `pin` is the release beside which none goes live.
    `waiting` are commits of the followed branch that are not live, `waiting_since` when the oldest of them was made.
    `round_trip_us` is what a call costs beside the live function; `confined` says what the kernel keeps from live
    code."""

    live: str
    revision: int
    standby: str | None
    rounds: int
    probation_rounds: int
    follow: str
    pin: str
    waiting: int
    waiting_since: str
    last: str
    last_refusal: str
    round_trip_us: RoundTripTimes
    confined: dict[str, str]


class LiveCode:
    """Starts, routes and changes the live code. `on_engine_event` gets what the engine must know; `on_answer` the last
    word on a request: its id, whether it was done, and the sentence; `on_progress` a word before it; `warn` what a
    person should know."""

    def __init__(
        self,
        config: Config,
        folder: BotFolder,
        *,
        in_process: bool,
        now_ns: Callable[[], int],
        on_engine_event: Callable[[ReleaseEvent | Shadowed], None],
        on_answer: Callable[[str, bool, str], None],
        on_progress: Callable[[str, str], None],
        shadow_sees: Callable[[View], View],
        warn: Callable[[str], None],
    ) -> None:
        """Nothing runs before `start`."""
        self._config = config
        self._now_ns = now_ns
        self._on_engine_event = on_engine_event
        self._on_answer = on_answer
        self._on_progress = on_progress
        self._warn = warn
        self._encoder = msgspec.msgpack.Encoder()
        self._shadow_sees = shadow_sees
        self._last = self._last_refusal = self._pin = ""
        self._asked: dict[str, Request] = {}
        self._strategies = _strategies_of(config)
        self.runtime: Runtime[Answer] = Runtime(
            _workplace(config, folder, in_process=in_process),
            on_event=self._happened,
            on_note=warn,
            strategy_of=lambda key: self._strategies.get(SlotId(key), ""),
            rounds=config.deploy.probation_rounds,
            in_process=in_process,
            now_ns=wall_ns,
        )

    def started(self) -> None:
        """What can only be joined once the runtime is up: a shadow sees its own book and is heard."""
        self.runtime.seam.shadow_sees = self._shadow_view
        self.runtime.deployer.on_shadow = self._shadowed

    def _shadow_view(self, _key: str, given: object, _encoded: bytes) -> tuple[object, bytes]:
        assert isinstance(given, View)
        view = self._shadow_sees(given)
        return view, self._encoder.encode(view)

    def _shadowed(self, key: str, host: Host, answer: tesseract.Answer, taken: ShadowInput) -> None:
        value, view = answer.value, taken.given
        assert isinstance(value, Answer)
        assert isinstance(view, View)
        self._on_engine_event(
            Shadowed(
                self._now_ns(),
                SlotId(key),
                MarketId(view.market),
                host.spec.release.name,
                value.proposal,
                value.verdicts,
            )
        )

    def request(self, request: Request) -> None:
        """Carries out what an operator asks. Raises RequestRefused for what cannot be done."""
        self._asked[request.id] = request
        try:
            self.runtime.request(request)
        except RequestRefused:
            self._asked.pop(request.id, None)
            raise

    def pin(self, release: str, author: str) -> None:
        """From now on this release alone may run; it is brought live where another one is. Empty: any may."""
        if release == self._pin:
            return
        self._pin = release
        self.runtime.pin(release)
        if release and self.runtime.seam.running() != release:
            self.request(Request(id=f"pin-{release}", action="rollback", where=release, author=author))
        elif not release:
            self._warn("no release is pinned any more; what was saved meanwhile goes live with the next save or deploy")

    def take_tree(self) -> None:
        """Deploys the live tree as it is now, where saved files are followed: inside this process nobody watches it,
        and a kept release may have been started."""
        if self._config.deploy.follow == "files":
            self.runtime.request(Request(id="start-tree", action="deploy", author="", what="tree"))

    def trip(self, release: str, text: str) -> None:
        """A tripwire of the engine; a release that is not on probation any more stays."""
        self.runtime.trip(release, text)

    def refuse(self, what: str, why: str) -> str:
        """Tells that something is refused before it is asked of the runtime, and returns the sentence."""
        text = f"{what} refused: {why}; {self.runtime.seam.running()} is still running"
        self._last_refusal = text
        self._on_engine_event(DeployRefused(self._now_ns(), what, text))
        return text

    def document(self) -> DeployDocument:
        """What to say of the live code now; `live` is `nothing` before a release is."""
        seam, waiting = self.runtime.seam, self.runtime.waiting
        newest = max(
            seam.strategies.values(), key=lambda each: (each.spec.release.number, each.spec.revision), default=None
        )
        rounds = [route.rounds for route in seam.routes.values() if route.standby is not None and route.rounds]
        standby = next((route.standby for route in seam.routes.values() if route.standby is not None), None)
        return DeployDocument(
            live=seam.running(),
            revision=0 if newest is None else newest.spec.revision,
            standby=None if standby is None else standby.spec.release.name,
            rounds=min(rounds, default=0),
            probation_rounds=seam.rounds,
            follow=self._config.deploy.follow,
            pin=self._pin,
            waiting=waiting.commits,
            waiting_since=waiting.since,
            last=self._last,
            last_refusal=self._last_refusal,
            round_trip_us=self.runtime.round_trips(),
            confined={} if newest is None else newest.loaded.confined,
        )

    def _happened(self, event: Event) -> None:
        at_ns = self._now_ns()
        match event:
            case WentLive():
                self._on_engine_event(self._bound(event, at_ns))
                for note in event.report.notes:
                    self._warn(f"{event.release.name}: {note}")
                self._say(event.request, event.text)
            case Kept(release=release, revision=revision, by=by):
                self._on_engine_event(ReleaseKept(at_ns, release.name, revision, by))
                self._say(event.request, event.text)
            case WentBack():
                self._on_engine_event(_back(event, at_ns))
                self._say(event.request, event.text)
            case Shadowing(release=release, what=what):
                self._on_engine_event(events.Shadowing(at_ns, release.name, what))
                self._last = event.text
                self._on_progress(event.request, self._last)
            case NotDone():
                self._not_done(event, at_ns)
            case Notice(text=text):
                self._warn(text)

    def _not_done(self, event: NotDone, at_ns: int) -> None:
        is_barred = event.is_refused and event.release and event.step == "snapshot"
        text = _sentence(event, self._asked.pop(event.request, None))
        text = f"{text}; {FORCING}" if is_barred else text
        if event.is_refused:
            self._last_refusal = text
            self._on_engine_event(DeployRefused(at_ns, event.release, text))
        self._on_answer(event.request, not event.is_refused, text)

    def _say(self, request: str, text: str) -> None:
        self._last = text
        self._asked.pop(request, None)
        self._on_answer(request, True, text)

    def _bound(self, event: WentLive, at_ns: int) -> ReleaseBound:
        return ReleaseBound(
            at_ns,
            event.release.name,
            event.release.digest,
            event.revision,
            event.params,
            self._slots(event),
            event.release.origin,
            event.release.author,
            event.replaced,
            event.report.sentence(),
        )

    def _slots(self, event: WentLive) -> tuple[SlotId, ...]:
        """The slots that the release answers from now on; empty for all of them."""
        if event.keys:
            return tuple(SlotId(key) for key in event.keys)
        if set(event.strategies) >= set(self._strategies.values()):
            return ()
        return tuple(slot for slot, name in self._strategies.items() if name in event.strategies)


def _sentence(event: NotDone, request: Request | None) -> str:
    """What a person is told. The runtime calls what has no release yet a deploy; here it is known what was asked."""
    if request is None or event.release:
        return event.text
    if not event.is_refused:
        return f"{event.text}; `foresight releases` shows its note" if request.note else event.text
    if request.action not in ("rollback", "params"):
        return event.text
    is_rollback = request.action == "rollback"
    what = f"the rollback to {request.where}" if is_rollback else f"the change to parameters r{request.revision}"
    _, is_stopped, why = event.text.partition(" was not deployed: ")
    return f"{what} was not done: {why}" if is_stopped and not event.step else event.text.replace("the deploy", what, 1)


def _back(event: WentBack, at_ns: int) -> ReleaseBack:
    return ReleaseBack(
        at_ns,
        event.release.name,
        event.revision,
        event.to.name,
        event.to.digest,
        event.to_revision,
        event.line,
        event.details,
    )


def _strategies_of(config: Config) -> Mapping[SlotId, str]:
    """Every slot with the name of its strategy."""
    named = {slot: name for name, each in config.deploy.strategies.items() for slot in each.slots}
    slots = (slot_id(asset, timeframe) for asset in config.slots.assets for timeframe in config.slots.timeframes)
    return {slot: named.get(slot, "") for slot in slots}


def _workplace(config: Config, folder: BotFolder, *, in_process: bool) -> Workplace:
    deploy = config.deploy
    used = set(_strategies_of(config).values())
    strategies = [Strategy(name, each.module) for name, each in deploy.strategies.items() if name in used]
    if "" in used:
        strategies.append(Strategy("", folder.strategy.name))
    repository = deploy.repository or str(folder.root.absolute())
    return Workplace(
        tree=str(folder.strategy.absolute()),
        store=str(folder.releases.absolute()),
        contract=contract.PLACE,
        strategies=tuple(strategies),
        package=folder.strategy.name,
        follow="none" if in_process else deploy.follow,
        repository=repository
        if "://" in repository or repository.startswith("git@")
        else str(_home(folder, repository)),
        branch=deploy.branch,
        subfolder=deploy.subfolder,
        keep=deploy.keep_releases,
        rules=Rules(
            rehearse_ns=deploy.rehearse_min * MINUTE_NS,
            budget_ns=config.evaluation.budget_ms * 1_000_000,
            memory_bytes=deploy.memory_mb * MEBIBYTE,
        ),
        resident=RESIDENT,
    )


def _home(folder: BotFolder, repository: str) -> Path:
    """A relative path starts at the bot's folder."""
    return (folder.root.absolute() / repository).resolve()

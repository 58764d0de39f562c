"""The bot's live code: a Tesseract runtime over `strategy/`, and what happens to releases as events of the engine."""

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

import tesseract
from foresight import contract, events
from foresight.bot_folder import BotFolder
from foresight.config import Config
from foresight.engine.shadow import ShadowReport
from foresight.events import Answer, DeployRefused, ReleaseBack, ReleaseBound, ReleaseEvent, ReleaseKept, Shadowed
from foresight.markets import MarketId, SlotId, slot_id
from foresight.runtime.clock import wall_ns
from foresight.runtime.deploys import (
    DeployDocument,
    LastWords,
    ShadowDocument,
    canary_of,
    is_in_vain,
    live_text,
    not_done_text,
    shadow_text,
)
from foresight.runtime.topics import Topics
from foresight.strategy import View
from tesseract import (
    Event,
    Host,
    Kept,
    NotDone,
    Notice,
    Request,
    RequestRefused,
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


class LiveCode:
    """Starts, routes and changes the live code. `on_engine_event` gets what the engine must know; `on_answer` the last
    word on a request: its id, whether it was done, and the sentence; `on_progress` a word before it; `warn` what a
    person should know. `shadow_report` tells what the shadow has made so far; `topics` are what releases may need
    besides."""

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
        shadow_report: Callable[[], ShadowReport | None],
        warn: Callable[[str], None],
        topics: Topics,
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
        self._shadow_report = shadow_report
        self._shadow_request = ""
        self._words = LastWords()
        self._pin = ""
        self._asked: dict[str, Request] = {}
        self._strategies = _strategies_of(config)
        self.runtime: Runtime[Answer] = Runtime(
            _workplace(config, folder, in_process=in_process),
            on_event=self._happened,
            on_note=warn,
            strategy_of=lambda key: self._strategies.get(SlotId(key), ""),
            keys=self._strategies,
            rounds=config.deploy.probation_rounds,
            in_process=in_process,
            now_ns=wall_ns,
            prepare=topics.prepare,
            on_needs=topics.only,
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
        self._words.refused(text, is_of_parameters=True)
        self._on_engine_event(DeployRefused(self._now_ns(), what, text))
        return text

    def document(self) -> DeployDocument:
        """What to say of the live code now; `live` is `nothing` before a release is."""
        seam, waiting = self.runtime.seam, self.runtime.waiting
        newest = max(
            seam.strategies.values(), key=lambda each: (each.spec.release.number, each.spec.revision), default=None
        )
        rounds = [route.rounds for route in seam.routes.values() if route.standby is not None and route.rounds]
        standby = seam.standby()
        return DeployDocument(
            live=seam.running(),
            revision=0 if newest is None else newest.spec.revision,
            standby=None if standby is None else standby.spec.release.name,
            rounds=min(rounds, default=0),
            probation_rounds=seam.rounds,
            canary=canary_of(seam),
            shadow=None if seam.shadow is None else ShadowDocument(seam.shadow.release, seam.shadow.until_ns),
            follow=self._config.deploy.follow,
            pin=self._pin,
            waiting=waiting.commits,
            waiting_since=waiting.since,
            last=self._words.last,
            recent=self._words.recent,
            last_refusal=self._words.refusal,
            setback=self._words.setback,
            round_trip_us=self.runtime.round_trips(),
            confined={} if newest is None else newest.loaded.confined,
        )

    def _happened(self, event: Event) -> None:
        at_ns = self._now_ns()
        match event:
            case WentLive():
                self._went_live(event, at_ns)
            case Kept(release=release, revision=revision, by=by):
                self._on_engine_event(ReleaseKept(at_ns, release.name, revision, by))
                self._words.say(event.text)
                self._answered(event.request, event.text)
            case WentBack():
                self._on_engine_event(_back(event, at_ns))
                self._words.say(event.text)
                self._words.set_back(event.text)
                self._answered(event.request, event.text)
            case Shadowing(release=release, what=what):
                text = f"{what}; it goes live by itself when its time is over"
                self._on_engine_event(events.Shadowing(at_ns, release.name, text))
                self._shadow_request = event.request
                self._words.done(f"{release.name} is {text}")
                self._on_progress(event.request, self._words.last)
            case NotDone():
                self._not_done(event, at_ns)
            case Notice(text=text):
                self._warn(text)

    def _went_live(self, event: WentLive, at_ns: int) -> None:
        made = self._made_as_shadow(event.request)
        self._on_engine_event(self._bound(event, at_ns, event.report.sentence() + made))
        for note in event.report.notes:
            self._warn(f"{event.release.name}: {note}")
        text = live_text(event, self._asked.get(event.request), self.runtime.seam.running()) + made
        self._words.done(text)
        self._answered(event.request, text)

    def _not_done(self, event: NotDone, at_ns: int) -> None:
        request = self._asked.pop(event.request, None)
        text = not_done_text(event, request) + self._made_as_shadow(event.request)
        if event.is_refused:
            self._words.refused(text, is_of_parameters=request is not None and request.action == "params")
            self._on_engine_event(DeployRefused(at_ns, event.release, text))
        else:
            self._words.in_order()
        self._on_answer(event.request, not (event.is_refused or is_in_vain(event, request)), text)

    def _made_as_shadow(self, request: str) -> str:
        """What the shadow of this request made, which ends with the request's last word."""
        if not request or request != self._shadow_request:
            return ""
        self._shadow_request, made = "", self._shadow_report()
        return "" if made is None else f"; {shadow_text(made)}"

    def _answered(self, request: str, text: str) -> None:
        self._asked.pop(request, None)
        self._on_answer(request, True, text)

    def _bound(self, event: WentLive, at_ns: int, note: str) -> ReleaseBound:
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
            note,
            event.needs,
        )

    def _slots(self, event: WentLive) -> tuple[SlotId, ...]:
        """The slots that the release answers from now on; empty for all of them."""
        if event.keys:
            return tuple(SlotId(key) for key in event.keys)
        if set(event.strategies) >= set(self._strategies.values()):
            return ()
        return tuple(slot for slot, name in self._strategies.items() if name in event.strategies)


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
        event.needs,
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

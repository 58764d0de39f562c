"""The deployer: brings releases live on a seam, one at a time; what becomes of them then is the probation's.

It runs on the program's loop and does next to nothing there: it hands the states and the tape to the workshop, lets the
candidate catch up with what came meanwhile, and commits, which is a few stores into a table. One order of things: a
deploy that is asked for while another one is prepared waits its turn in the workshop; a rollback or a keep acts at once
on what is live now; a deploy that was being prepared for what has been rolled back since goes on, and is compared anew.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tesseract.calls import Answer
from tesseract.candidate import Asked, Candidate
from tesseract.deploy_events import Event, NotDone, Notice, Shadowing, WentBack, WentLive
from tesseract.host import Host
from tesseract.kept_inputs import BEHIND_MAX
from tesseract.links import WorkshopLink
from tesseract.needs import Needs
from tesseract.orders import (
    Drop,
    Live,
    Moved,
    News,
    Noticed,
    Refused,
    Running,
    Stage,
    Staged,
    Take,
    Taken,
    Waiting,
)
from tesseract.probation import Probation
from tesseract.release import Release
from tesseract.routes import Input
from tesseract.seam import Seam
from tesseract.shadow import OnShadow, Shadow

CATCH_UP_MAX = 100_000
"""Inputs that a candidate may take on its way to the commit; one that needs more is slower than the stream."""

HOLD_BACK_AFTER = 1_000
"""Inputs after which a candidate that has caught up finds no moment between calls: the next ones then wait for it."""


class Deployer:
    """`on_event` gets everything that happens, in order; events of one request carry its id."""

    def __init__(
        self, seam: Seam[Any], link: WorkshopLink, on_event: Callable[[Event], None], needs: Needs | None = None
    ) -> None:
        self.seam = seam
        self.needs = Needs() if needs is None else needs
        self.waiting = Waiting(0, "", "")
        self.pin = ""
        """The release, by name, beside which nothing but parameters goes live; empty for none."""
        self._link = link
        self._listener = on_event
        self._asked: dict[str, Asked] = {}
        self._canary: dict[str, tuple[str, ...]] = {}
        self._shadow_ns: dict[str, int] = {}
        self.on_shadow: OnShadow = lambda _key, _host, _answer, _taken: None
        self._going: Candidate | None = None
        self._queue: list[Taken] = []
        self.probation = Probation(seam, link, take=self.take, on_event=self._on_event, went_back=self._went_back)
        seam.on_settled = self._settled
        link.on_news = self._heard
        self._tell_live()

    # What is asked

    def take(self, take: Take, *, canary: Iterable[str] = (), shadow_ns: int = 0, called: str = "") -> None:
        """Begins a deploy; what becomes of it is told by events. With `shadow_ns` it is a shadow for so long first.
        `called` is the name of a request that is no deploy for the one who asks."""
        if canary:
            self._canary[take.request] = tuple(canary)
        if shadow_ns:
            self._shadow_ns[take.request] = shadow_ns
        self._asked[take.request] = Asked(called)
        self._link.order(take)

    # What the workshop says

    def _heard(self, news: News, hosts: list[Host]) -> None:
        match news:
            case Taken():
                self._taken(news)
            case Staged():
                self._staged(news, hosts)
            case Refused():
                self._refused(news.request, news.release, news.step, news.problems)
            case Waiting():
                self.waiting = news
            case Noticed(text=text):
                self._on_event(Notice(text))

    def _taken(self, taken: Taken) -> None:
        """Puts it in the queue; what is taken again has kept its turn."""
        going = self._going
        self._asked.setdefault(taken.request, Asked()).release = taken.release.name
        if self.pin and taken.what != "params" and taken.release.name != self.pin:
            self._hold_off(taken)
            return
        if going is not None and going.taken.request == taken.request:
            self._end(taken.request)
            self._queue.insert(0, taken)
        else:
            self._queue.append(taken)
        self._begin_next()

    def _hold_off(self, taken: Taken) -> None:
        self._end(taken.request)
        why = f"the release {self.pin} is pinned"
        self._link.order(Drop(taken.request, why))
        self._refused(taken.request, taken.release.name, "pin", (f"{why}; take the pin away first",))

    def _begin_next(self) -> None:
        """Hands the states and the tape over for the next candidate, unless one is on its way."""
        if self._going is not None or not self._queue:
            return
        taken = self._queue.pop(0)
        going = Candidate(taken, self._canary.pop(taken.request, ()), self._shadow_ns.pop(taken.request, 0))
        self._going = going
        if taken.against != self._what_runs():
            self._again(going)
            return
        if self._runs_already(taken):
            self._end(taken.request)
            self._link.order(Drop(taken.request, "it runs already"))
            text = f"{taken.release.name} is what runs already; nothing was done"
            self._on_event(NotDone(taken.request, text, is_refused=False))
            self._begin_next()
            return
        now = going.states_now(self.seam)
        tape = self.seam.tape.parts() if self.seam.tape is not None else []
        sizes, keys = tuple(size for _, size in tape), self.seam.keys_on_tape(taken.strategies)
        order = Stage(taken.request, now, sizes, self.seam.tape_ns, keys, self.seam.inputs.numbers())
        self._link.order(order, tape)

    def _what_runs(self) -> dict[str, tuple[int, int]]:
        strategies = self.seam.strategies.items()
        return {name: (host.spec.release.number, host.spec.revision) for name, host in strategies}

    def _runs_already(self, taken: Taken) -> bool:
        """Whether an earlier request has brought the same live meanwhile."""
        running = [self.seam.strategies.get(name) for name in taken.strategies]
        return taken.what != "params" and all(
            host is not None and (host.spec.release, host.spec.revision) == (taken.release, taken.revision)
            for host in running
        )

    def _refused(self, request: str, release: str, step: str, problems: tuple[str, ...]) -> None:
        what = release or self._asked.get(request, Asked()).called or "the deploy"
        told = "; ".join(problems)
        still = f"{self.seam.running()} is still running" if self.seam.strategies else "nothing is running yet"
        text = f"{what} refused at {step}: {told}; {still}"
        self._end(request)
        self._on_event(NotDone(request, text, is_refused=True, release=release, step=step))
        self._begin_next()

    def _end(self, request: str) -> None:
        if self._going is not None and self._going.taken.request == request:
            self._going = None
            self.seam.inputs.forget()

    # Catching up, and the commit

    def _staged(self, news: Staged, hosts: list[Host]) -> None:
        going = self._going
        if going is None or going.taken.request != news.request or going.is_stale:
            for host in hosts:
                host.close()
            if going is not None and going.is_stale:
                self._again(going)
            return
        going.report = news.report
        for one, host in zip(news.hosts, hosts, strict=True):
            going.hosts[one.strategy] = host
            going.states |= one.states
        needs = going.needs
        if needs:
            going.is_prepared = False
            self.needs.prepare(news.request, needs, lambda problem: self._prepared(going, problem))
        self._advance(going)

    def _prepared(self, going: Candidate, problem: str | None) -> None:
        """What the candidate needs is there, or will not be: then what runs goes on. Where nothing runs, a release
        without all that it needs is better than none."""
        if self._going is not going or going.is_stale:
            return
        if problem is not None:
            if self.seam.strategies:
                self._give_up(going, problem, step="prepare")
                return
            name = going.taken.release.name
            self._on_event(Notice(f"{name} starts without all that it needs: {problem}"))
        self.needs.take(going.needs)
        going.is_prepared, going.folded = True, 0
        self._advance(going)

    def _again(self, going: Candidate) -> None:
        """Something else runs than what it was taken against; it begins anew, at its turn, with the states of now."""
        taken = going.taken
        if going.canary:
            self._canary[taken.request] = going.canary
        if going.shadow_ns:
            self._shadow_ns[taken.request] = going.shadow_ns
        what = "params" if taken.what == "params" else "release"
        self._link.order(
            Take(
                request=taken.request,
                what=what,
                where=taken.release.name,
                origin="command",
                author=taken.release.author,
                is_forced=True,
                overrides=None if taken.keeps_params else taken.overrides,
                revision=0 if taken.keeps_params else taken.revision,
            )
        )

    def _settled(self) -> None:
        if self._going is not None and self._going.hosts:
            self._advance(self._going)

    def _advance(self, going: Candidate) -> None:
        """Gives the candidate the next input that it has not seen; commits when there is none and no call waits."""
        while self._going is going and not going.is_folding:
            if self.seam.inputs.has_lost:
                self._give_up(going, f"more than {BEHIND_MAX} inputs came while it was prepared")
                return
            taken = self.seam.inputs.next(going.is_wanted(self.seam))
            if taken is not None:
                self._fold(going, taken)
            elif not going.is_prepared:
                return  # the program's answer comes back here
            elif self.seam.is_between_calls(going.is_wanted(self.seam)):
                if going.shadow_ns:
                    self._begin_shadow(going)
                else:
                    self._commit(going)
            else:
                if going.folded > HOLD_BACK_AFTER:
                    self.seam.inputs.hold_back()
                return  # the answer that is awaited comes back here

    def _fold(self, going: Candidate, taken: Input) -> None:
        host = going.hosts[self.seam.strategy_of(taken.key)]
        going.is_folding = True
        going.folded += 1
        state = going.states.get(taken.key, host.loaded.first_state)
        host.submit(taken.given, taken.encoded, state, lambda answer: self._folded(going, taken, answer))

    def _folded(self, going: Candidate, taken: Input, answer: Answer) -> None:
        going.is_folding = False
        if self._going is not going or going.is_stale:
            return
        if answer.state is None or going.folded > CATCH_UP_MAX:
            text = answer.fault.line if answer.fault else "it does not catch up with what comes"
            self._give_up(going, f"{taken.key}: {text}")
            return
        going.states[taken.key] = answer.state
        self._advance(going)

    def _give_up(self, going: Candidate, problem: str, *, step: str = "commit") -> None:
        """What is refused for what is not there may come again: its content is not at fault."""
        going.close()
        taken = going.taken
        if taken.what != "params":
            state = "superseded" if step == "prepare" else "rejected"
            self._link.order(Moved(taken.release.number, state, f"at {step}: {problem}"))
        name = taken.release.name if taken.what != "params" else f"parameters r{taken.revision}"
        self._refused(taken.request, name, step, (problem,))

    def _commit(self, going: Candidate) -> None:
        taken, keys = going.taken, going.canary
        replaced = self._replaced(going)
        for name, host in going.hosts.items():
            mine = [key for key in keys if self.seam.strategy_of(key) == name]
            if keys and not mine:
                host.close()
            else:
                self.seam.commit(host, going.states, strategy=name, keys=mine)
        self._end(taken.request)
        moves = self.probation.superseded(replaced)
        if taken.what != "params":
            moves.append(Moved(taken.release.number, "live", going.report.sentence()))
        self._tell_live(moves)
        host = next(iter(going.hosts.values()))
        self._on_event(
            WentLive(
                request=taken.request,
                release=taken.release,
                revision=taken.revision,
                params=host.loaded.params,
                strategies=taken.strategies,
                keys=keys,
                replaced=" and ".join(dict.fromkeys(each.name for each in replaced)),
                report=going.report,
                saved_ns=taken.saved_ns,
                needs=going.needs,
            )
        )
        self._begin_next()

    def _replaced(self, going: Candidate) -> list[Release]:
        return [self.seam.strategies[name].spec.release for name in going.hosts if name in self.seam.strategies]

    def _begin_shadow(self, going: Candidate) -> None:
        """From now on the candidate is asked what the live release is asked; a shadow before it makes room."""
        taken = going.taken
        if self.seam.shadow is not None:
            self.seam.shadow.close()
        self.seam.shadow = Shadow(
            going.hosts,
            going.states,
            until_ns=self.seam.tape_ns + going.shadow_ns,
            on_answer=self.on_shadow,
            over=lambda problem: self._shadow_over(going, problem),
        )
        self._end(taken.request)
        what = f"a shadow for {_span(going.shadow_ns)}; {going.report.sentence()}"
        self._on_event(Shadowing(taken.request, taken.release, what))
        self._begin_next()

    def _shadow_over(self, going: Candidate, problem: str | None) -> None:
        self.seam.shadow = None
        taken = going.taken
        if problem is not None:
            self._link.order(Moved(taken.release.number, "rejected", f"as a shadow: {problem}"))
            self._refused(taken.request, taken.release.name, "shadow", (problem,))
            return
        going.shadow_ns = 0
        self._again(going)

    def _went_back(self, moves: list[Moved], event: WentBack) -> None:
        self._tell_live(moves)
        self._on_event(event)
        self._make_stale()

    def _make_stale(self) -> None:
        """What is on its way was staged against something that does not run any more."""
        going = self._going
        if going is None:
            return
        going.is_stale = True
        if going.hosts:
            going.close()
            going.hosts = {}
            self._again(going)

    def _tell_live(self, moves: Sequence[Moved] = ()) -> None:
        specs = {name: host.spec for name, host in self.seam.strategies.items()}
        running = {name: Running(spec.release, spec.revision, spec.overrides) for name, spec in specs.items()}
        self._link.order(Live(running, tuple(moves)))

    def _on_event(self, event: Event) -> None:
        if not isinstance(event, Shadowing | Notice):
            for asked in (self._asked, self._canary, self._shadow_ns):
                asked.pop(event.request, None)
            self.needs.forget(event.request)
        self._listener(event)
        self.needs.look(self._hosts)

    def _hosts(self) -> list[Host]:
        """All that may answer, for a decision or for information."""
        shadow = self.seam.shadow
        return [*self.seam.hosts(), *(shadow.hosts.values() if shadow is not None else ())]

    def close(self) -> None:
        """Whatever was on its way is dropped, and told; what runs ends with its seam."""
        going, self._going = self._going, None
        self.needs.close()
        if going is not None:
            going.close()
        for request, asked in list(self._asked.items()):
            self._link.order(Drop(request, "the program was stopped"))
            self._on_event(NotDone(request, f"{asked.not_done}: the program was stopped", is_refused=True))


def _span(nanoseconds: int) -> str:
    """`40 s`, `30 min`, `2 h`: in the largest unit that it is a whole number of."""
    seconds = round(nanoseconds / 1e9, 3)
    size, unit = next((each for each in ((3600, "h"), (60, "min")) if seconds and seconds % each[0] == 0), (1, "s"))
    return f"{seconds / size:g} {unit}"

"""Changing a bot's parameters: one change at a time, checked before it is asked for, put back when it is refused."""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

import msgspec
from rich.text import Text

from foresight.bot_folder import BotFolder
from foresight.cli.asking import BotStopped, author, readable, tell, wait_for_answer
from foresight.cli.common import err, out, print_json
from foresight.cli.parameters import Runs, problems_with, what_runs, what_starts
from foresight.cli.revisions import ASKED, NEXT_START, Revisions
from foresight.errors import DesiredRefused
from foresight.runtime.desired import Desired


class Retuning:
    """One change, from what is asked for now to what is asked for next. Nobody else changes it inside the `with`."""

    def __init__(self, folder: BotFolder, *, wait_s: float, json: bool) -> None:
        self._folder = folder
        self._wait_s = wait_s
        self._json = json
        self._revisions = Revisions(folder)
        self._lock = self._revisions.alone()

    def __enter__(self) -> Self:
        self._lock.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.__exit__(kind, error, trace)

    def set(self, given: Mapping[str, object]) -> None:
        """Sets the given overrides; `msgspec.UNSET` takes one away. Raises DesiredRefused with every problem at once,
        and what the bot refuses."""
        desired = self._revisions.desired()
        runs = what_runs(self._folder)
        base = self._base(desired, runs)
        wanted = {name: value for name, value in (dict(base) | dict(given)).items() if value is not msgspec.UNSET}
        named = [name for name, value in given.items() if value is not msgspec.UNSET or name not in base]
        self._change(desired, runs, wanted, named)

    def undo(self) -> None:
        """Asks for the parameters of the newest revision before this one that was not refused and had others."""
        desired = self._revisions.desired()
        earlier = [
            each
            for each in self._revisions.history()
            if each.revision < desired.revision and each.state != "refused" and each.params != desired.params
        ]
        if not earlier:
            raise DesiredRefused(f"there is nothing to undo: r{desired.revision} is the first set of parameters")
        self._change(desired, what_runs(self._folder), earlier[-1].params, [])

    def _base(self, desired: Desired, runs: Sequence[Runs] | None) -> Mapping[str, object]:
        """What is changed: what is asked for, or what is in force where that was refused or rolled back."""
        if runs is None or _is_in_force(desired, runs):
            return desired.params
        known = {each.revision: each.state for each in self._revisions.history()}
        if known[desired.revision] not in ("done", "refused"):
            return desired.params
        newest = max(runs, key=lambda each: each.revision)
        told = f"what state/desired.json asks for is not in force; what is changed is r{newest.revision}"
        err.print(Text(told))
        return newest.overrides

    def _change(
        self, desired: Desired, runs: list[Runs] | None, wanted: dict[str, object], named: Sequence[str]
    ) -> None:
        problems = problems_with(runs or what_starts(self._folder, desired), wanted, named)
        if problems:
            listed = "\n  - ".join(map(readable, problems))
            raise DesiredRefused(f"the parameters are refused; nothing was changed:\n  - {listed}")
        if wanted == desired.params and (runs is None or _is_in_force(desired, runs)):
            self._say(desired, "done", f"r{desired.revision} has these values already; nothing was changed")
            return
        asked = msgspec.structs.replace(desired, revision=self._revisions.next_number(), author=author(), params=wanted)
        if runs is None:
            self._revisions.write(asked, NEXT_START)
            self._say(asked, NEXT_START, f"no bot runs: r{asked.revision} is taken at the next start")
        else:
            self._ask(desired, asked)

    def _ask(self, before: Desired, asked: Desired) -> None:
        content = self._revisions.content()
        self._revisions.write(asked, ASKED)
        try:
            answer = wait_for_answer(
                self._folder,
                asked.name,
                stands=self._revisions.path,
                wait_s=self._wait_s,
                is_quiet=self._json,
            )
        except BotStopped:
            self._revisions.note(asked, NEXT_START)
            text = f"the bot was stopped before it answered; r{asked.revision} stands, and is taken at the next start"
            raise BotStopped(text) from None
        self._revisions.note(asked, answer.state, answer.text)
        if answer.state == "refused" and self._revisions.put_back(before, content, asked):
            text = f"{answer.text}; state/desired.json asks for r{before.revision} again"
            answer = msgspec.structs.replace(answer, text=text)
        tell(answer, json=self._json)

    def _say(self, desired: Desired, state: str, text: str) -> None:
        if self._json:
            print_json({"id": desired.name, "state": state, "text": text, "answered_at": None})
        else:
            out.print(Text(text))


def _is_in_force(desired: Desired, runs: Sequence[Runs]) -> bool:
    return all((each.revision, each.overrides) == (desired.revision, desired.params) for each in runs)

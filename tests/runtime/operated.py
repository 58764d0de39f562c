"""A bot inside the test's process, and what its operator does to it."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from foresight.bot_folder import init_bot
from foresight.config import load_config
from foresight.effects import Commanded, Journal
from foresight.markets import SECOND_NS
from foresight.runtime.bot import Bot
from foresight.runtime.clock import LockstepClock
from foresight.sources.simulated import SimulatedMarket


class Operated:
    """A bot inside this process, one round after its start, and its operator's hands."""

    def __init__(self, folder: Path) -> None:
        market = SimulatedMarket(7, (("BTC", "5m"), ("ETH", "5m")))
        self.folder = folder
        self.clock = LockstepClock(market.start_ns)
        self.bot = Bot(load_config(folder), market, self.clock, speed=None)
        self.commands: list[Commanded] = []
        keep = self.bot.sink.journal
        self.bot.sink.journal = lambda effect: (self._seen(effect), keep(effect))[1]  # type: ignore[method-assign]

    def _seen(self, effect: Journal) -> None:
        if isinstance(effect.entry, Commanded):
            self.commands.append(effect.entry)

    def begin(self) -> None:
        self.bot.session.begin()
        self.bot.start_here()
        self.run_for(5)

    def run_for(self, seconds: float) -> None:
        until_ns = max(self.clock.now_ns(), self.bot.engine.start_ns) + round(seconds * SECOND_NS)
        self.bot.session.run_lockstep(self.clock, until_ns)

    def ask(self, name: str, action: str, **more: Any) -> dict[str, str]:
        """Writes a request, lets the bot look, and returns the answer."""
        document = {"id": name, "action": action, "author": "ana", **more}
        self.bot.folder.requests.joinpath(f"{name}.json").write_text(json.dumps(document))
        self.look()
        return self.answer(name)

    def desire(self, **document: Any) -> None:
        (self.folder / "state/desired.json").write_text(json.dumps({"author": "ana", **document}))
        self.look()

    def look(self) -> None:
        self.bot.obey(self.bot.inbox.look())

    def answer(self, name: str) -> dict[str, str]:
        found: dict[str, str] = json.loads((self.bot.folder.answers / f"{name}.json").read_text())
        return found

    def deploy_an_edit(self, name: str = "r1", **more: Any) -> dict[str, str]:
        """Saves an edit and asks for its deploy."""
        self.edit()
        return self.ask(name, "deploy", **more)

    def edit(self, old: str = "0.90", new: str = "0.91") -> None:
        path = self.folder / "strategy/params.py"
        path.write_text(path.read_text().replace(old, new))

    def notices(self) -> list[str]:
        return [notice.text for notice in self.bot.sink.notices]

    def params(self) -> dict[str, Any]:
        document = json.loads(self.bot.documents(running=True)["params.json"])
        found: dict[str, Any] = document["strategies"][0]
        return found

    def aggression(self) -> tuple[int, float]:
        """The parameter that tests change, after the revision in force."""
        params = self.params()
        return params["revision"], params["params"]["aggression"]


@contextlib.contextmanager
def a_new_bot(home: Path) -> Iterator[Operated]:
    """Not begun yet."""
    init_bot(home / "bot")
    operated = Operated(home / "bot")
    with contextlib.closing(operated.bot):
        yield operated

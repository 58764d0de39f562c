"""A run with everything in it that reaches an engine: orders, deploys, rollbacks, refusals, parameters, a halt."""

import shutil
import sqlite3
from pathlib import Path

from foresight.record.exact import Exact, replay_run
from runtime.operated import Operated, a_new_bot


def run_everything(home: Path) -> tuple[Path, str]:
    """Runs twenty simulated minutes in lock-step. Returns the bot's folder and the digest of the engine at its end."""
    with a_new_bot(home) as operated:
        operated.begin()
        operated.run_for(180)
        assert operated.deploy_an_edit("r1")["state"] == "done"
        operated.run_for(20)
        assert operated.ask("r2", "rollback")["state"] == "done"
        operated.run_for(120)
        _refused(operated)
        operated.desire(revision=2, params={"aggression": 1.2})
        assert operated.aggression() == (2, 1.2)
        operated.run_for(120)
        operated.desire(revision=2, params={"aggression": 1.2}, halted=True)
        operated.run_for(300)
        operated.desire(revision=2, params={"aggression": 1.2}, halted=False)
        operated.run_for(400)
        digest = operated.bot.engine.digest.hex()
    return operated.folder, digest


def _refused(operated: Operated) -> None:
    path = operated.folder / "strategy/params.py"
    whole = path.read_text()
    path.write_text(whole + "\nthis is no Python\n")
    assert operated.ask("r3", "deploy")["state"] == "refused"
    path.write_text(whole)
    operated.run_for(60)


class Written:
    """What a run wrote, in a copy of its own that a test may damage."""

    def __init__(self, bot: Path, home: Path, run: str = "0001-simulated") -> None:
        shutil.copytree(bot / "data", home / "data")
        self.record = home / "data/record" / run
        self.journal = home / "data/runs" / run / "journal.sqlite"

    def replay(self) -> Exact:
        return replay_run(self.record, self.journal)

    def change(self, statement: str) -> None:
        connection = sqlite3.connect(self.journal)
        connection.execute(statement)
        connection.commit()
        connection.close()

    def ask(self, query: str) -> list[tuple[object, ...]]:
        connection = sqlite3.connect(self.journal)
        found = connection.execute(query).fetchall()
        connection.close()
        return found

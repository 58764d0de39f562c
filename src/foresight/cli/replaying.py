"""`replay`: a recording straight through the engine as fast as it goes, and an honest score; or a run by its record."""

import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from foresight.baselines import FAVOURITE
from foresight.bot_folder import BotFolder, init_bot
from foresight.cli.common import BotOption, JsonOption, bot_folder, out, print_json
from foresight.config import Config, load_config
from foresight.errors import BotFolderRefused
from foresight.runtime.desired import Desired, read_desired
from foresight.runtime.documents import iso

if TYPE_CHECKING:
    from foresight.sources.recording import Recording


def register(app: typer.Typer) -> None:
    app.command(
        epilog="Examples: foresight replay bot/data/record · foresight replay bot/data/record --run 0003-simulated · "
        "foresight replay --recording DIR · foresight replay --recording DIR --source borisz42 --json"
    )(replay)


def replay(
    record: Annotated[
        Path | None,
        typer.Argument(
            metavar="[PATH]", help="A bot's data/record, or one run's folder in it: the run again, and is it equal?"
        ),
    ] = None,
    run: Annotated[str | None, typer.Option(metavar="NAME", help="Which run of PATH; by default the newest.")] = None,
    recording: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A folder of recorded markets (Parquet tables), to be scored.")
    ] = None,
    bot: BotOption = None,
    json: JsonOption = False,
    source: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only these sources of the recording.")
    ] = None,
    strategy: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Live code to replay instead of the bot's strategy folder.")
    ] = None,
    baseline: Annotated[bool, typer.Option(help="Replay the baseline beside the strategy.")] = True,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the tables as Markdown.")] = False,
) -> None:
    """Replay a run from its record (PATH), or a recorded market (--recording).

    PATH: the same inputs into a fresh engine; every journal entry and the digest over all decisions are compared.

    --recording: scores the strategy by source, outcome source, asset, timeframe and gate. Without a bot folder it
    replays the strategy that ships, with its default configuration.
    """
    if (record is None) == (recording is None):
        raise typer.BadParameter("name a run's record (PATH), or --recording DIR, and not both")
    if record is not None and (bot or source or strategy or markdown or not baseline):
        raise typer.BadParameter("with PATH go --run and --json alone: a run is replayed with what it wrote itself")
    if recording is not None and run is not None:
        raise typer.BadParameter("--run names a run of PATH; it does not go with --recording")
    if record is not None:
        from foresight.cli.replaying_runs import replay_record  # noqa: PLC0415 - polars loads only where it is needed

        replay_record(record, run, _progress(quiet=json), json=json)
        return
    assert recording is not None
    from foresight.results import replay as run_through  # noqa: PLC0415 - polars loads only where it is needed
    from foresight.results import report_of, show, to_markdown  # noqa: PLC0415
    from foresight.sources.recording import Recording  # noqa: PLC0415

    recorded = Recording(recording, tuple(source or ()))
    with tempfile.TemporaryDirectory(prefix="foresight-replay-") as temporary, _progress(quiet=json) as progress:
        config, folder, desired = _what_to_replay(bot, Path(temporary))
        settings, budget_s = config.settings(recorded.origin), config.evaluation.budget_ms / 1000
        store = Path(temporary) / "releases"
        told = partial(_tell, progress, progress.add_task("", total=recorded.end_ns - recorded.start_ns), recorded)
        replayed = run_through(
            recorded,
            strategy or folder.strategy,
            settings,
            store=store,
            on_progress=told,
            desired=desired,
            budget_s=budget_s,
        )
        beside = None
        if baseline:
            beside = run_through(
                recorded, FAVOURITE, settings, store=store, on_progress=told, params=replayed.params, budget_s=budget_s
            )
    report = report_of(replayed, beside)
    if json:
        print_json(report.to_json())
    elif markdown:
        print(to_markdown(report))  # noqa: T201 - a command prints
    else:
        show(report, out)


def _what_to_replay(bot: Path | None, temporary: Path) -> tuple[Config, BotFolder, Desired]:
    """The configuration, live code and overrides of a bot folder, or what ships."""
    try:
        folder = bot_folder(bot)
    except BotFolderRefused:
        folder = BotFolder(temporary / "bot")
        init_bot(folder.root)
    return load_config(folder.root), folder, read_desired(folder.state / "desired.json")


def _tell(progress: Progress, task: TaskID, recorded: "Recording", at_ns: int) -> None:
    progress.update(task, completed=at_ns - recorded.start_ns, description=f"replaying {iso(at_ns)[:16]}")


def _progress(*, quiet: bool) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), disable=quiet, transient=True)

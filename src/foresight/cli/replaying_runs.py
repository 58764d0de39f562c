"""`replay data/record`: a run again from what it wrote, and whether every decision comes out the same."""

from pathlib import Path

import typer
from rich.progress import Progress
from rich.text import Text

from foresight.cli.common import out, print_json
from foresight.errors import RecordRefused
from foresight.record.exact import Exact, replay_run
from foresight.record.index import run_order


def replay_record(path: Path, run: str | None, progress: Progress, *, json: bool) -> None:
    """Prints what the replay of a run found. Leaves with 1 when it is not equal. Raises RecordRefused for a path that
    is no record."""
    folder = run_folder(path, run)
    task = progress.add_task(f"replaying {folder.name}", total=None)
    journal = folder.parent.parent / "runs" / folder.name / "journal.sqlite"
    with progress:
        found = replay_run(
            folder, journal, lambda seq: progress.update(task, description=f"replaying {folder.name}: input {seq:,}")
        )
    if json:
        print_json({"equal": found.is_equal, **{name: getattr(found, name) for name in found.__struct_fields__}})
    else:
        for line in told(found):
            out.print(Text(line))
    if not found.is_equal:
        raise typer.Exit(1)


def run_folder(path: Path, run: str | None) -> Path:
    """The folder of one run's record: `path` itself, or the run below it that is named, or the newest. Raises
    RecordRefused."""
    if not path.is_dir():
        raise RecordRefused(f"{path} is no folder; name a bot's data/record, or the folder of one run in it")
    runs = sorted((each for each in path.iterdir() if each.is_dir()), key=lambda each: run_order(each.name))
    if run is not None:
        if path / run not in runs:
            names = ", ".join(each.name for each in runs) or "none"
            raise RecordRefused(f"{path} has no run {run}; the runs there: {names}")
        return path / run
    if runs:
        return runs[-1]
    if any(path.glob("*.parquet")) or (path / "index.jsonl").exists():
        return path.absolute()
    raise RecordRefused(f"{path} holds no record of a run")


def told(found: Exact) -> list[str]:
    """What was found, as sentences; the first says whether it is equal."""
    compared = f"{found.inputs:,} inputs ({found.origin}), {found.entries:,} journal entries"
    if found.is_equal:
        first = f"equal: run {found.run} decides the same again. {compared}; digest {found.digest}."
    elif found.difference is not None:
        each = found.difference
        first = f"not equal: run {found.run} differs first at input {each.seq:,} ({each.kind}): {each.text}."
    else:
        first = f"not whole: run {found.run} is equal up to input {found.inputs:,}; {found.missing}."
    lines = [first]
    if not found.has_ended and found.difference is None:
        lines.append(
            "The run has no end on record: it was killed, or goes on."
            f" The last of its digests that was compared stands after input {found.compared_to:,}."
        )
    return lines + [f"{problem}." for problem in found.problems]

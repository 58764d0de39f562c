"""`docs/venue-server.md` says what the code has: faults, parameters, options and routes."""

import re
from pathlib import Path

import typer
from serving import Venue, with_venue

from foresight.cli.app import app_for
from foresight.venue.faults import GARBAGE, MENU, Fault
from foresight.venue.state import ASSUMPTIONS

PAGE = (Path(__file__).parents[2] / "docs" / "venue-server.md").read_text()


def _row(fault: Fault) -> str:
    parameters = ", ".join(f"`{name}` = {value}" for name, value in fault.parameters.items())
    once = "until taken off" if fault.counts is None else "once"
    acts = "at once" if fault.place == "now" else once
    return f"| `{fault.name}` | {parameters} | {acts} | {fault.what} |"


def test_the_table_of_faults_is_the_menu() -> None:
    section = PAGE.partition("## Faults")[2].partition("## What is assumed")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    assert rows == [_row(fault) for fault in MENU]
    assert all(f"`{kind}`" in section for kind in GARBAGE)


def test_every_option_of_the_command_is_on_the_page() -> None:
    group: object = typer.main.get_command(app_for())
    command = group.commands["venue"]  # type: ignore[attr-defined]
    options = {option for parameter in command.params for option in parameter.opts} - {"--help"}
    assert {option for option in options if f"`{option}`" not in PAGE} == set()


def test_every_route_is_on_the_page() -> None:
    async def work(venue: Venue) -> None:
        runner = venue.server._runner
        assert runner is not None
        paths = {resource.canonical for resource in runner.app.router.resources()}
        section = PAGE.partition("## Routes")[2].partition("## Time")[0]
        named = set(re.findall(r"`(/[^`]*)`", section))
        missing = {path for path in paths if not path.startswith("/futures") and _short(path) not in named}
        assert missing == set()
        assert "/futures/market/…" in named

    with_venue(work)


def _short(path: str) -> str:
    """As the page writes it: routes of the exchange without their beginning."""
    return re.sub(r"^/api/v3", "", path)


def test_what_the_status_names_as_assumed_is_on_the_page() -> None:
    words = PAGE.partition("## What is assumed")[2]
    for needle in ("sizes follow", "`price.crypto`", "100 shares", "Up's quotes lead"):
        assert needle in words
    assert len(ASSUMPTIONS) == 4

"""`venue`: the local venue in a process of its own."""

import re
from pathlib import Path
from typing import Annotated, Literal

import structlog
import typer

from foresight.cli.common import seconds_of
from foresight.markets import DEFAULT_ASSETS, TIMEFRAME_NS

DEFAULT_PORT = 8170
DEFAULT_SEED = 1
SEED_MAX = 2**63 - 1
ACCEPTS_AFTER_S_MAX = 3_600
_ASSET = re.compile(r"[A-Z0-9]{1,10}", re.ASCII)


def register(app: typer.Typer) -> None:
    app.command(
        name="venue",
        epilog="Examples: foresight venue · foresight venue --port 0 --speed 10 · foresight venue --version v2",
    )(venue)


def venue(
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 picks a free one.")] = DEFAULT_PORT,
    host: Annotated[str, typer.Option(help="A loopback address; any other is refused.")] = "127.0.0.1",
    seed: Annotated[int, typer.Option(min=0, max=SEED_MAX, help="The simulated market's seed.")] = DEFAULT_SEED,
    speed: Annotated[float, typer.Option(min=0.01, max=1000, help="Venue seconds per real second.")] = 1.0,
    recording: Annotated[Path | None, typer.Option(metavar="DIR", help="Serve a recording, in its own time.")] = None,
    source: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only these sources of the recording.")
    ] = None,
    assets: Annotated[str, typer.Option(metavar="A,B", help="Assets of the simulated market.")] = ",".join(
        DEFAULT_ASSETS
    ),
    timeframes: Annotated[str, typer.Option(metavar="A,B", help="Timeframes of the simulated market.")] = ",".join(
        TIMEFRAME_NS
    ),
    version: Annotated[str, typer.Option(help="Markets' protocol version: v1, v2 or mixed.")] = "v1",
    for_: Annotated[
        str | None, typer.Option("--for", metavar="TIME", help="Stop after so much venue time: 90s, 10m, 12h, 2d.")
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Go on from this file when it is there; keep it up to date. A port has one."),
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin anew, whatever the state file has.")] = False,
    until_stdin_ends: Annotated[
        bool, typer.Option("--until-stdin-ends", help="Leave when standard input is closed.")
    ] = False,
    rate: Annotated[
        float | None, typer.Option(min=0, help="Extra BTC book tickers a second; 0 as fast as it goes.")
    ] = None,
    flicker: Annotated[
        float, typer.Option(min=0, max=10, help="Changes of levels between two books, as a part of the recorded rate.")
    ] = 1.0,
    ticks_change: Annotated[
        bool,
        typer.Option("--ticks-change/--no-ticks-change", help="A tick of 0.001 outside prices of 0.04 to 0.96."),
    ] = True,
    accepts_after: Annotated[
        float,
        typer.Option(metavar="SECONDS", min=0, max=ACCEPTS_AFTER_S_MAX, help="A window takes orders after its end."),
    ] = 60.0,
) -> None:
    """Serve the venues' public protocols on this machine. Prints one line of JSON when it serves; logs go to stderr."""
    if source and recording is None:
        raise typer.BadParameter("--source names a part of a recording; give --recording DIR with it")
    from foresight.venue.process import VenueAsked, serve  # noqa: PLC0415 - aiohttp loads only where it is needed

    structlog.configure(logger_factory=structlog.WriteLoggerFactory(typer.get_text_stream("stderr")))
    serve(
        VenueAsked(
            seed=seed,
            slots=_slots(assets.upper(), timeframes),
            port=port,
            host=host,
            speed=speed,
            version=_version(version),
            recording=recording,
            sources=tuple(source or ()),
            for_s=None if for_ is None else seconds_of(for_),
            state=state,
            is_fresh=fresh,
            until_stdin_ends=until_stdin_ends,
            rate=rate,
            ticks_change=ticks_change,
            accepts_after_s=accepts_after,
            flicker=flicker,
        )
    )


def _slots(assets: str, timeframes: str) -> tuple[tuple[str, str], ...]:
    """Every asset in every timeframe. Raises a usage error for what no market can be called."""
    named, lengths = _names(assets), _names(timeframes)
    for asset in named:
        if not _ASSET.fullmatch(asset):
            raise typer.BadParameter(
                f"{asset!r} is no asset; it has up to ten letters and digits", param_hint="--assets"
            )
    for length in lengths:
        if length not in TIMEFRAME_NS:
            known = ", ".join(TIMEFRAME_NS)
            raise typer.BadParameter(f"{length!r} is no timeframe; there are {known}", param_hint="--timeframes")
    if not named:
        raise typer.BadParameter("a market needs an asset, such as BTC", param_hint="--assets")
    if not lengths:
        raise typer.BadParameter("a market needs a timeframe, such as 5m", param_hint="--timeframes")
    return tuple((asset, length) for asset in named for length in lengths)


def _names(text: str) -> list[str]:
    return list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def _version(text: str) -> Literal["v1", "v2", "mixed"]:
    match text:
        case "v1" | "v2" | "mixed":
            return text
        case _:
            raise typer.BadParameter(f"{text!r} is none of v1, v2, mixed", param_hint="--version")

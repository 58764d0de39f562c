"""Follows a stream of headlines and tells when a narrative accelerates. Edit detector/ while it runs."""

import argparse
import asyncio
import contextlib
import hashlib
import itertools
from collections.abc import Iterator
from pathlib import Path

import msgspec
from newsroom import Headline, Verdict

from tesseract import Event, NotDone, ReleaseRefused, Runtime, Strategy, Workplace

HERE = str(Path(__file__).resolve().parent)
NARRATIVES = ("chips", "oil", "rates", "rivers", "strikes")


def recorded(path: Path) -> Iterator[Headline]:
    """One JSON object a line, from a file or from another program (`/dev/stdin`)."""
    with path.open("rb") as lines:
        yield from map(msgspec.json.Decoder(Headline).decode, lines)


def synthetic(seed: int) -> Iterator[Headline]:
    """Two headlines a second, without end. In every third half minute one narrative takes most of them."""
    at_s = 0.0
    for number in itertools.count(1):
        gap, luck, which = hashlib.blake2b(f"{seed} {number}".encode(), digest_size=3).digest()
        at_s += 0.25 + gap / 512
        which = seed + int(at_s / 90) if at_s % 90 > 60 and luck < 170 else which
        yield Headline(at_s, NARRATIVES[which % len(NARRATIVES)], f"story {number}")


def tell(event: Event) -> None:
    """What happens to releases, as sentences; not that there was nothing to do."""
    if not isinstance(event, NotDone) or event.is_refused:
        print(event.text, flush=True)


async def follow(headlines: Iterator[Headline], runtime: Runtime[Verdict], speed: float) -> None:
    """Asks about each headline when its time has come. A narrative is a key: it has a state of its own."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    while (headline := await asyncio.to_thread(next, headlines, None)) is not None:
        await asyncio.sleep(began_s + headline.at_s / speed - loop.time())
        outcome = await runtime.ask(headline.narrative, headline, at_ns=round(headline.at_s * 1e9))
        told = outcome.fault.line if outcome.fault is not None else outcome.value and outcome.value.alert
        if told:
            print(f"{outcome.release} on {headline.narrative}: {told}", flush=True)


async def main(options: argparse.Namespace) -> None:
    headlines = recorded(options.recording) if options.recording else synthetic(options.seed)
    strategies = (Strategy("", "detector"),)
    tree, store = f"{HERE}/detector", f"{options.data}/releases"
    place = Workplace(tree=tree, store=store, contract="newsroom:CONTRACT", package="detector", strategies=strategies)
    runtime = Runtime[Verdict](place, on_event=tell, on_note=print, path=[HERE])
    async with runtime, asyncio.timeout(options.end):
        await follow(headlines, runtime, options.speed)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recording", type=Path, help="headlines, one a line; by default an endless synthetic stream")
    parser.add_argument("--seed", type=int, default=1, help="of the synthetic stream; 1 by default")
    parser.add_argument("--speed", type=float, default=10.0, help="times the stream's own speed; 10 by default")
    parser.add_argument("--for", type=float, dest="end", metavar="SECONDS", help="end after so long")
    parser.add_argument("--data", type=Path, default=Path("headlines-data"), help="the folder for the releases")
    with contextlib.suppress(KeyboardInterrupt, TimeoutError, ReleaseRefused):  # an event has told the refusal
        asyncio.run(main(parser.parse_args()))

"""Draws the terminal view of a simulated run as docs/screen.svg, the README's picture.

python tools/screenshot.py [MINUTES]
"""

import io
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from foresight.bot_folder import init_bot
from foresight.config import load_config
from foresight.markets import MINUTE_NS
from foresight.runtime.bot import Bot
from foresight.runtime.clock import LockstepClock
from foresight.sources.simulated import SimulatedMarket
from foresight.view.terminal import draw

OUT = Path(__file__).parent.parent / "docs" / "screen.svg"
SEED = 7
WIDTH = 132


def main(minutes: float) -> None:
    """Runs the simulated market for so many minutes of venue time in a folder that is thrown away."""
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "bot"
        init_bot(folder)
        market = SimulatedMarket(SEED)
        clock = LockstepClock(market.start_ns)
        bot = Bot(load_config(folder), market, clock, speed=1.0)
        bot.session.begin()
        bot.start_here()
        bot.session.run_lockstep(clock, market.start_ns + int(minutes * MINUTE_NS))
        console = Console(record=True, width=WIDTH, force_terminal=True, file=io.StringIO())
        console.print(draw(bot))
        bot.close()
        svg = console.export_svg(title="foresight run").replace(str(Path(home)), ".")
        OUT.write_text(svg)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 9.3)

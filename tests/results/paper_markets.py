"""A small recording made up by a hash, the cut of a recording at a moment, and strategies for the controls."""

import hashlib
import math
import zlib
from pathlib import Path
from textwrap import dedent

import polars as pl

from foresight.markets import SECOND_NS

START_NS = 1_760_000_400 * SECOND_NS
"""A quarter of an hour on the grid of 15 minutes."""
WINDOW_S = 300
STEP_S = 2
VOLATILITY = 1e-4
"""Log move per square-root second."""
SPREAD = 0.02
TABLES = ("markets", "quotes", "underlying", "trades")


def write_recording(folder: Path, *, windows: int) -> Path:
    """5-minute markets of one asset on a random walk: fair quotes with a spread of two ticks every two seconds."""
    assert START_NS // SECOND_NS % 900 == 0
    folder.mkdir(parents=True)
    path = _walk(windows * WINDOW_S // STEP_S + 1)
    markets, quotes = [], []
    for number in range(windows):
        opened = number * WINDOW_S // STEP_S
        closes = opened + WINDOW_S // STEP_S
        slug = f"paper-updown-5m-{number:03d}"
        markets.append(_market(slug, number, path[opened], path[closes]))
        for step in range(opened, closes):
            quotes += _quotes(slug, step, path[step] - path[opened], closes)
    _write(folder, "markets", markets)
    _write(folder, "quotes", quotes)
    _write(folder, "underlying", [_spot(step, level) for step, level in enumerate(path)])
    _write(folder, "trades", [{"ts_ns": START_NS, "market": "x", "outcome": "UP", "price": 0.5, "size": 1.0}])
    return folder


def cut_recording(folder: Path, target: Path, *, at_ns: int, sources: tuple[str, ...]) -> Path:
    """What could be known at `at_ns`, except that every winner told later is turned round."""
    target.mkdir(parents=True)
    for name in TABLES:
        table = pl.read_parquet(folder / f"{name}.parquet")
        if "source" in table.columns and name != "trades":
            table = table.filter(pl.col("source").is_in(sources))
        table = _turned(table, at_ns) if name == "markets" else table.filter(pl.col("ts_ns") <= at_ns)
        table.write_parquet(target / f"{name}.parquet")
    return target


def coin_flip(folder: Path, *, salt: int = 0) -> Path:
    """A strategy that buys a side by the hash of the market's name, at the ask, in the middle of the window."""
    return _tree(
        folder / f"coin{salt}",
        f"""
        import zlib
        import msgspec
        from foresight.strategy import Enter, Evaluation, micros

        class Params(msgspec.Struct, frozen=True):
            pass

        class State(msgspec.Struct, frozen=True):
            pass

        def evaluate(view, state, params):
            side = "UP" if zlib.crc32(f"{salt}{{view.market}}".encode()) % 2 else "DOWN"
            ask = view.book(side).ask
            if not view.can_enter or view.seconds_left > view.window_s / 2 or ask is None or not 0.02 < ask < 0.98:
                return Evaluation(state)
            return Evaluation(state, proposal=Enter(side, micros(ask + 0.01), 5_000_000))
        """,
    )


def spy(folder: Path) -> Path:
    """A strategy that never trades, and whose fair probability is a hash of all that it was shown."""
    return _tree(
        folder / "spy",
        """
        import zlib
        import msgspec
        from foresight.strategy import Evaluation

        class Params(msgspec.Struct, frozen=True):
            pass

        class State(msgspec.Struct, frozen=True):
            pass

        def evaluate(view, state, params):
            return Evaluation(state, fair=zlib.crc32(msgspec.msgpack.encode(view)) / 2**32)
        """,
    )


def oracle(folder: Path, outcomes: dict[str, str]) -> Path:
    """A strategy that was told every winner, in a module of its own tree, and buys it while it is cheap enough."""
    tree = _tree(
        folder / "oracle",
        """
        import msgspec
        from foresight.strategy import Enter, Evaluation, micros
        from .told import OUTCOMES

        class Params(msgspec.Struct, frozen=True):
            pass

        class State(msgspec.Struct, frozen=True):
            pass

        def evaluate(view, state, params):
            side = OUTCOMES.get(view.market)
            if side is None or not view.can_enter:
                return Evaluation(state)
            ask = view.book(side).ask
            if ask is None or not 0.02 < ask < 0.95:
                return Evaluation(state)
            return Evaluation(state, proposal=Enter(side, micros(ask + 0.01), 5_000_000))
        """,
    )
    (tree / "told.py").write_text(f"OUTCOMES = {outcomes!r}\n")
    return tree


def _tree(folder: Path, source: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(dedent(source))
    return folder


def _walk(steps: int) -> list[float]:
    """Log levels, two seconds apart; twelve uniform numbers make a nearly normal one."""
    level, levels = 0.0, []
    for step in range(steps):
        levels.append(level)
        block = hashlib.sha512(f"step {step}".encode()).digest()[:48]
        uniform = [int.from_bytes(block[4 * part : 4 * part + 4], "big") / 2**32 for part in range(12)]
        level += VOLATILITY * math.sqrt(STEP_S) * (sum(uniform) - 6)
    return levels


def _market(slug: str, number: int, opened: float, closed: float) -> dict[str, object]:
    start_ns = START_NS + number * WINDOW_S * SECOND_NS
    return {
        "slug": slug,
        "asset": "BTC",
        "timeframe": "5m",
        "start_ts_ns": start_ns,
        "end_ts_ns": start_ns + WINDOW_S * SECOND_NS,
        "outcome": "UP" if closed >= opened else "DOWN",
        "outcome_source": "paper",
        "ref_open": 100 * math.exp(opened),
        "ref_close": 100 * math.exp(closed),
        "ref_source": "paper",
    }


def _quotes(slug: str, step: int, move: float, closes: int) -> list[dict[str, object]]:
    left_s = (closes - step) * STEP_S
    fair = 0.5 * (1 + math.erf(move / VOLATILITY / math.sqrt(2 * left_s)))
    middle = min(max(round(fair, 2), 0.02), 0.98)
    at_ns = START_NS + step * STEP_S * SECOND_NS + zlib.crc32(slug.encode()) % SECOND_NS
    sides = (("UP", middle), ("DOWN", 1 - middle))
    return [
        {"ts_ns": at_ns, "market": slug, "outcome": side, "bid": price - SPREAD / 2, "ask": price + SPREAD / 2}
        for side, price in sides
    ]


def _spot(step: int, level: float) -> dict[str, object]:
    at_ns = START_NS + step * STEP_S * SECOND_NS
    return {"ts_ns": at_ns, "symbol": "BTCUSDT", "feed": "paper", "price": 100 * math.exp(level)}


def _write(folder: Path, name: str, rows: list[dict[str, object]]) -> None:
    pl.DataFrame([row | {"source": "paper"} for row in rows]).write_parquet(folder / f"{name}.parquet")


def _turned(markets: pl.DataFrame, at_ns: int) -> pl.DataFrame:
    is_later = pl.col("end_ts_ns") + 60 * SECOND_NS > at_ns
    other = pl.when(pl.col("outcome") == "UP").then(pl.lit("DOWN")).when(pl.col("outcome") == "DOWN").then(pl.lit("UP"))
    return markets.with_columns(
        pl.when(is_later).then(other).otherwise(pl.col("outcome")).alias("outcome"),
        pl.when(is_later).then(None).otherwise(pl.col("ref_close")).alias("ref_close"),
    )

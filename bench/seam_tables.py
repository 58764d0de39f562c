"""The tables of `docs/benchmarks.md` about the seam, written from the kept JSON: no figure is copied by hand.

On the page each stands between `<!-- seam: NAME -->` and `<!-- /seam -->`. A figure that has not been kept says so.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

Figure = dict[str, Any]
MARKED = re.compile(r"(?<=<!-- seam: )(\w+)( -->\n)(.*?)(?=<!-- /seam -->)", re.DOTALL)
CALLBACKS_SHOWN = 8


def filled(page: str, figures: Figure) -> str:
    """The page with what stands between its marks replaced. Raises KeyError for a mark that no table knows."""

    def replaced(found: re.Match[str]) -> str:
        name = found[1]
        told = TABLES[name](figures[name]) if name in figures else [_missing(name)]
        facts = [_machine(figures[name]), ""] if name in figures else []
        return f"{name}{found[2]}\n" + "\n".join([*facts, *told]) + "\n\n"

    return MARKED.sub(replaced, page)


def _missing(name: str) -> str:
    return f"Not measured yet: `python bench/seam.py {name} --keep` fills this in."


def _machine(figure: Figure) -> str:
    facts = figure["machine"]
    where = f"{facts['processor']}, {facts['cores']} cores, {facts['system']}, Python {facts['python']}"
    return f"{where}; load average at the start {facts['load_average'][0]}; took {figure['took_s']} s."


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """A table in Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return ["| " + " | ".join(str(cell) for cell in row) + " |" for row in lines]


def _verdict(figure: Figure) -> str:
    return "met" if figure["met"] else "not met"


def loop(figure: Figure) -> list[str]:
    rows: list[list[object]] = []
    for lines, size in figure["lines"].items():
        idle = {"met": size["met_by_an_idle_loop"]}
        rows += [
            [f"{lines} lines: the steps of a loop that ticks", *_counted(size["steps_ms"]), "", _verdict(size)],
            [f"{lines} lines: an idle loop's thread", *_counted(size["loop_ms"]), size["beside_ms"], _verdict(idle)],
        ]
    rows.append(["floor: an idle loop's thread", *_counted(figure["floor_ms"]), "", ""])
    heads = ("what", "deploys", "p50 ms", "p99 ms", "max ms", "the link's thread, ms", "bars")
    found = table(heads, rows)
    waited = ", ".join(str(size["waiting_ms"]["p50"]) for size in figure["lines"].values())
    bars = (
        f"Bars: {figure['bar_p99_ms']} ms at the 99th percentile, {figure['bar_max_ms']} ms at most. Taken off an idle "
        f"loop's thread: {waited} ms."
    )
    costs = next(iter(figure["lines"].values()))["callbacks_ms_per_deploy"].items()
    shown = [[f"`{name}`", each["calls"], each["total"], each["max"]] for name, each in list(costs)[:CALLBACKS_SHOWN]]
    return [*found, "", bars, "", *table(("where", "calls a deploy", "ms a deploy", "longest ms"), shown)]


def _counted(spread: Figure) -> list[object]:
    return [spread[name] for name in ("count", "p50", "p99", "max")]


def lateness(figure: Figure) -> list[str]:
    rows = []
    for name, what in (("ticks", "timer of 1 ms"), ("answers", f"evaluations every {figure['evaluations_every_s']} s")):
        each = figure[name]
        low, high = each["interval"]
        without, deployed = (sorted(each[key])[len(each[key]) // 2] for key in ("p999_ms_without", "p999_ms_with"))
        rows.append([what, without, deployed, each["ratio"], f"{low} to {high}", _verdict(each)])
    heads = ("what", "without, ms", "with, ms", "ratio", "95 % interval", f"bar {figure['bar_ratio']}")
    said = f"{figure['pairs']} pairs of {figure['slice_s']:g} s, {figure['deploys']} deploys."
    return [*table(heads, rows), "", said]


def live(figure: Figure) -> list[str]:
    kinds = {f"{lines} lines": each for lines, each in figure["lines"].items()}
    kinds |= {"the bot": figure["bot"], "the bot, rehearsed": figure["bot_rehearsed"]}
    rows = [
        [
            name,
            each["saves"],
            *(each[to][part] for to in ("live_ms", "answer_ms") for part in ("median", "p90")),
            f"{each['bar_ms']:g} ms: {_verdict(each)}",
        ]
        for name, each in kinds.items()
    ]
    heads = ("what", "saves", "to the commit: median ms", "p90 ms", "to the first answer: median ms", "p90 ms", "bar")
    return table(heads, rows)


def restart(figure: Figure) -> list[str]:
    again, known, swap = figure["restart"], figure["known_case"], figure["swap"]
    count = f"evaluations missed, of {figure['slots']} slots every {figure['period_s']:g} s"
    rows = [
        [f"restart, median of {again['restarts']}", f"{again['outage_s']} s", again["missed_per_restart"]],
        ["restart by hand, the known case", f"{known['outage_s']:g} s", known["missed"]],
        [f"{swap['live']} swaps", "0 s", f"{swap['missed']} of {swap['due']} (counted)"],
    ]
    return table(("change", "outage", count), rows)


def round_trip(figure: Figure) -> list[str]:
    rows = []
    for name, what in (("small", "a small input"), ("view", "one slot's view")):
        for how, said in (("in_a_row", "one after the other"), ("spaced", "50 ms apart")):
            each = figure[name][how]
            cells = [each[of][part] for of in ("beside_us", "whole_us") for part in ("p50", "p99")]
            rows.append([f"{what}, {said}", *cells])
    together = figure["view"]["together"]
    for how, said in (("in_a_row_us", "one batch after the other"), ("spaced_us", "50 ms apart")):
        each = together[how]
        rows.append([f"{together['calls']} views at once, {said}", "", "", each["p50"], each["p99"]])
    heads = ("call", "beside the live function: p50 µs", "p99 µs", "whole: p50 µs", "p99 µs")
    return [*table(heads, rows), "", f"Bar: {figure['bar_us_p50']:g} µs for the first: {_verdict(figure)}."]


TABLES: dict[str, Callable[[Figure], list[str]]] = {
    "loop": loop,
    "lateness": lateness,
    "live": live,
    "restart": restart,
    "round_trip": round_trip,
}

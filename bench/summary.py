"""The bars of a live change of code beside what was measured: the tables of `docs/results.md`, from `bench/results`.

    python bench/summary.py

No figure is copied by hand. Each stands there with the command that prints it; what has not been measured says so.
"""

import json
import re
import sys
from collections.abc import Iterator
from typing import Any

from measuring import BENCH, RESULTS
from reloaders_table import table as peers_table
from seam_tables import table

PAGE = BENCH.parent / "docs" / "results.md"
MARKED = re.compile(r"(?<=<!-- live: )(\w+)( -->\n)(.*?)(?=<!-- /live -->)", re.DOTALL)
NOT_YET = "not measured yet"

Figures = dict[str, Any]
Row = tuple[str, str, str, str, str]


def filled(page: str) -> str:
    """The page with what stands between its marks written anew."""
    tables = {"bars": bars, "peers": peers}
    return MARKED.sub(lambda found: f"{found[1]}{found[2]}\n" + "\n".join(tables[found[1]]()) + "\n\n", page)


def bars() -> list[str]:
    seam, soak, reloaders = (_kept(name) for name in ("seam.json", "soak.json", "reloaders.json"))
    rows = [*_loop(seam), *_lateness(seam), *_live(seam), *_restart(seam), *_calls(seam), *_soak(soak)]
    rows += _conformance(reloaders)
    return table(("what", "bar", "measured", "", "command"), rows)


def peers() -> list[str]:
    found = _kept("reloaders.json")
    return [peers_table(found["passed"], found["speed"])] if found else [f"{NOT_YET}: `make bench-peers`"]


def _kept(name: str) -> Figures:
    path = RESULTS / name
    found: Figures = json.loads(path.read_text()) if path.exists() else {}
    return found


def _verdict(is_met: bool) -> str:
    return "met" if is_met else "**not met**"


def _seam(figure: str) -> str:
    return f"`bench/seam.py {figure}`"


def _loop(seam: Figures) -> Iterator[Row]:
    what = "CPU time of the engine's loop for a deploy, live code of {} lines"
    if "loop" not in seam:
        yield what.format("300 and 3,000"), "0.5 ms p99, 2 ms max", NOT_YET, "", _seam("loop")
        return
    loop = seam["loop"]
    for lines, size in loop["lines"].items():
        bar = f"{loop['bar_p99_ms']} ms p99, {loop['bar_max_ms']:g} ms max"
        yield what.format(f"{int(lines):,}"), bar, _spent(size["steps_ms"]), _verdict(size["met"]), _seam("loop")
        idle = f"the same, and all that the thread of an idle loop takes, {int(lines):,} lines"
        yield idle, bar, _spent(size["loop_ms"]), _verdict(size["met_by_an_idle_loop"]), _seam("loop")
    floor = "the same for an idle loop that does only a deploy's system calls"
    yield floor, "", _spent(loop["floor_ms"]), "", _seam("loop")


def _spent(told: Figures) -> str:
    return f"{told['p50']} ms p50, {told['p99']} p99, {told['max']} max of {told['count']}"


def _lateness(seam: Figures) -> Iterator[Row]:
    for name, what in (("ticks", "a timer of 1 ms"), ("answers", "evaluations")):
        about = f"lateness of {what} at p99.9, with a deploy a second to without"
        bar = "the interval does not lie above 1.1"
        if "lateness" not in seam:
            yield about, bar, NOT_YET, "", _seam("lateness")
            continue
        found = seam["lateness"][name]
        low, high = found["interval"]
        told = f"{found['ratio']} ({low} to {high}), {seam['lateness']['pairs']} pairs"
        yield about, bar, told, _verdict(found["met"]), _seam("lateness")


def _live(seam: Figures) -> Iterator[Row]:
    if "live" not in seam:
        yield "from a save to the commit", "100 ms; 1 s rehearsed", NOT_YET, "", _seam("live")
        return
    live = seam["live"]
    kinds = {f"live code of {int(lines):,} lines": each for lines, each in live["lines"].items()}
    kinds |= {"the bot": live["bot"], "the bot, rehearsed on 15 minutes of 16 slots": live["bot_rehearsed"]}
    for what, each in kinds.items():
        told = f"{each['live_ms']['median']} ms median, {each['live_ms']['p90']} p90"
        bar = f"under {each['bar_ms']:g} ms median"
        yield f"from a save to the commit, {what}", bar, told, _verdict(each["met"]), _seam("live")


def _restart(seam: Figures) -> Iterator[Row]:
    if "restart" not in seam:
        yield "evaluations that a swap misses", "0", NOT_YET, "", _seam("restart")
        return
    again, swap, known = (seam["restart"][name] for name in ("restart", "swap", "known_case"))
    told = f"{swap['missed']} of {swap['due']} in {swap['live']} swaps"
    yield "evaluations that a swap misses", "0", told, _verdict(swap["missed"] == 0), _seam("restart")
    told = f"{again['missed_per_restart']} each, in {again['outage_s']} s"
    yield "evaluations that a restart of the same bot misses", "", told, "", _seam("restart")
    told = f"{known['missed']} in {known['outage_s']:g} s"
    yield "the same sum for two minutes", "384", told, _verdict(known["missed"] == 384), _seam("restart")


def _calls(seam: Figures) -> Iterator[Row]:
    if "round_trip" in seam:
        found = seam["round_trip"]
        small, view = (found[name]["in_a_row"]["beside_us"]["p50"] for name in ("small", "view"))
        told = f"{small} µs p50; with one slot's view {view} µs"
        bar = f"{found['bar_us_p50']:g} µs"
        yield (
            "a call of a process host, beside the live function",
            bar,
            told,
            _verdict(found["met"]),
            _seam("round_trip"),
        )


def _soak(soak: Figures) -> Iterator[Row]:
    for name, what in (
        ("storm_second_by_second", "ten minutes of a deploy a second, a round every half second, one in three bad"),
        ("storm_at_the_due_instant", "ten minutes of commits around the due instants, one in three bad"),
    ):
        if name in soak:
            found = soak[name]
            seen = found["presence"]
            told = f"{found['live']} live, {found['refused']} refused, {found['rolled_back']} rolled back"
            told += f"; {seen['missed']} of {seen['due']} evaluations missed"
            yield what, "nothing missed, mixed or leaked", told, _verdict(found["met"]), "`make soak`"
        else:
            yield what, "nothing missed, mixed or leaked", NOT_YET, "", "`make soak`"
    if "ten_thousand_deploys" in soak:
        found = soak["ten_thousand_deploys"]
        took = found["deploy_ms"]
        told = f"{took['first']['p50']} ms at first, {took['last']['p50']} at last"
        told += f"; {found['rss_mb'][0]} MB, then {found['rss_mb'][1]}"
        yield f"{found['deploys']:,} deploys of as many contents", "flat", told, _verdict(found["met"]), "`make soak`"
    else:
        yield "10,000 deploys of as many contents", "flat", NOT_YET, "", "`make soak`"
    if "swap_at_every_step" in soak:
        found = soak["swap_at_every_step"]
        told = f"{len(found['differing'])} of {found['changed_at']:,} runs differ"
        yield "a swap at each step of a recorded run", "the same decisions", told, _verdict(found["met"]), "`make soak`"
    else:
        yield "a swap at each step of a recorded run", "the same decisions", NOT_YET, "", "`make soak`"


def _conformance(reloaders: Figures) -> Iterator[Row]:
    if reloaders:
        passed, asked = (sum(pair[at] for pair in reloaders["passed"]["Tesseract"].values()) for at in (0, 1))
        told = f"{passed} of {asked}"
        yield "edits that the peers were asked too", "all", told, _verdict(passed == asked), "`make bench-peers`"


def main() -> None:
    PAGE.write_text(filled(PAGE.read_text()))


if __name__ == "__main__":
    sys.exit(main())

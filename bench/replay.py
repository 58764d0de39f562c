"""A million quotes on one and on eight instruments through the engine, beside NautilusTrader doing the same.

Each run is a process of its own, and they take turns: ours (crossing.py), theirs, and again. A pair is two runs that
followed each other; the ratio is the median of the pairs' ratios, so that a disturbance that lasts longer than a pair
hits both sides. Prints one JSON document.
"""

import breakdown
from measuring import Document, arguments, json_of, machine, middle, script, tell
from peer_setup import PeerUnavailableError, peer_python

BAR_RATIO = 1.0
PAIRS = 5
EVENTS = 1_000_000

PER_QUOTE = {
    "ours": "top of book with sizes and times, the mid, two exponential averages of it and the variance about the slow",
    "theirs": "top of book, the mid, two exponential averages of it and the variance about the slow one",
}
PER_DECISION = {
    "ours": "every 5 s a round: a whole view of the slot, encoded for the tape, and live code behind the seam",
    "theirs": "every 5 s inside on_quote: a comparison",
}

Commands = dict[str, list[str]]


def compared(instruments: int, *, events: int, pairs: int) -> Document:
    """All runs of one number of instruments, and the ratios of ours to theirs."""
    runs = _runs(_commands(instruments, events), pairs)
    found: Document = {name: _side(side) for name, side in runs.items()}
    theirs = [_rate(run) for run in runs.get("theirs", [])]
    if not theirs:
        return found
    ratios = [_rate(run) / rate for run, rate in zip(runs["ours"], theirs, strict=True)]
    found["ratio"] = middle(ratios, 2)
    found["met"] = middle(ratios)["median"] >= BAR_RATIO
    return found


def _commands(instruments: int, events: int) -> Commands:
    options = ["--instruments", str(instruments), "--events", str(events)]
    ours = {"ours": script("crossing.py", *options)}
    try:
        peer = str(peer_python())
    except PeerUnavailableError:
        return ours
    return {**ours, "theirs": [peer, *script("nautilus_peer.py", *options)[1:]]}


def _runs(commands: Commands, pairs: int) -> dict[str, list[Document]]:
    runs: dict[str, list[Document]] = {name: [] for name in commands}
    for _ in range(pairs):
        for name, command in commands.items():
            runs[name].append(json_of(command))
    return runs


def _side(runs: list[Document]) -> Document:
    kept = {name: runs[0][name] for name in ("evaluations", "orders") if name in runs[0]}
    rates = middle([_rate(run) for run in runs], 0)
    return {"events_per_second": rates, **kept, "peak_rss_mb": max(_number(run, "peak_rss_mb") for run in runs)}


def _rate(run: Document) -> float:
    return _number(run, "events_per_second")


def _number(run: Document, name: str) -> float:
    value = run[name]
    assert isinstance(value, int | float)
    return value


def peer_note() -> str:
    """Whether there is a peer here, as a sentence."""
    try:
        return f"NautilusTrader runs in {peer_python().parent.parent.name}"
    except PeerUnavailableError as error:
        return f"The peer is left out: {error}. Our own figures stand, the ratio does not."


def measured(*, events: int = EVENTS, pairs: int = PAIRS, with_breakdown: bool = True) -> Document:
    document: Document = {"bar_ratio": BAR_RATIO, "peer": peer_note(), "events": events, "pairs": pairs}
    document["per_quote"], document["per_decision"] = PER_QUOTE, PER_DECISION
    document["instruments"] = {str(count): compared(count, events=events, pairs=pairs) for count in (1, 8)}
    if with_breakdown:
        document["where_the_time_goes"] = breakdown.measured(events)
    return document


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--no-breakdown", action="store_true", help="leave out where the time goes")
    chosen = parser.parse_args()
    events, pairs = (20_000, 1) if chosen.quick else (EVENTS, chosen.pairs)
    result = measured(events=events, pairs=pairs, with_breakdown=not (chosen.quick or chosen.no_breakdown))
    tell({"machine": machine(), **result})


if __name__ == "__main__":
    main()

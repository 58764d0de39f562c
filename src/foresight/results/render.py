"""A report as tables: for the terminal (rich) and for `docs/results.md` (Markdown), from the same rows."""

from collections.abc import Iterable, Mapping

import msgspec
from rich.console import Console, Group, RenderableType
from rich.table import Table

from foresight.results.intervals import Interval
from foresight.results.report import Report
from foresight.results.scoring import Brier, Score
from foresight.results.splits import Split

NOTHING = "-"
SCORE_HEAD = ("trades", "wins", "win rate [90 %]", "break-even", "edge c/share [90 %]", "P&L $", "fees $")
SPLIT_HEAD = (*SCORE_HEAD, "baseline: trades", "win rate", "edge c/share [90 %]")
BRIER_HEAD = ("", "evaluations", "windows", "strategy", "market's mid")
GATE_HEAD = ("gate", "pass", "refuse", "unknown", "windows scored", "saved c/share")

Row = tuple[str, ...]


class Sheet(msgspec.Struct, frozen=True):
    """One table: a title, the head and the rows, all text; the first column holds names."""

    title: str
    head: Row
    rows: tuple[Row, ...]


def show(report: Report, console: Console) -> None:
    """Prints the report."""
    console.print(f"[bold]{report.origin}[/bold]: {', '.join(report.source)}")
    console.print(renderable(report))


def renderable(report: Report) -> RenderableType:
    """The report's tables for a terminal."""
    return Group(*(_rich(sheet) for sheet in sheets(report)), *_notes(report), _speed(report))


def to_markdown(report: Report) -> str:
    """The report's tables and notes for a page."""
    return "\n\n".join([*(_markdown(sheet) for sheet in sheets(report)), "\n".join(f"- {n}" for n in _notes(report))])


def sheets(report: Report) -> list[Sheet]:
    """Every table of a report; one that would have no rows is left out."""
    headline = {
        "headline": report.headline,
        "independent labels only": report.independent,
        "quote-labelled, scored again": report.scored_again,
    }
    found = [
        _splits("Result", headline),
        _splits("By source", report.by_source),
        _splits("By label (outcome_source)", report.by_outcome_source),
        _splits("By time left at entry", report.by_seconds_left),
        _splits("By asset", report.by_asset),
        _splits("By timeframe", report.by_timeframe),
        Sheet("Brier score (lower is better)", BRIER_HEAD, tuple(_brier_rows(headline | report.by_source))),
        Sheet("Gates", GATE_HEAD, tuple(_gate_rows(report))),
    ]
    return [sheet for sheet in found if sheet.rows]


def _splits(title: str, parts: Mapping[str, Split]) -> Sheet:
    rows = (
        (name, *_score(part.score), *_beside(part.baseline))
        for name, part in parts.items()
        if part.score.trades or (part.baseline is not None and part.baseline.trades)
    )
    return Sheet(title, ("", *SPLIT_HEAD), tuple(rows))


def _score(score: Score) -> Row:
    return (
        str(score.trades),
        str(score.wins),
        f"{_percent(score.win_rate)}{_interval(score.win_rate_interval, 100)}",
        _percent(score.break_even),
        f"{_signed(score.edge_cents)}{_interval(score.edge_interval, 1)}",
        f"{score.pnl:+.2f}",
        f"{score.fees:.2f}",
    )


def _beside(baseline: Score | None) -> Row:
    if baseline is None:
        return (NOTHING, NOTHING, NOTHING)
    edge = f"{_signed(baseline.edge_cents)}{_interval(baseline.edge_interval, 1)}"
    return str(baseline.trades), _percent(baseline.win_rate), edge


def _brier_rows(parts: Mapping[str, Split]) -> Iterable[Row]:
    for name, part in parts.items():
        if part.brier is not None and part.brier.n:
            yield name, *_brier(part.brier)


def _brier(brier: Brier) -> Row:
    assert brier.strategy is not None
    assert brier.market is not None
    return f"{brier.n:,}", str(brier.windows), f"{brier.strategy:.4f}", f"{brier.market:.4f}"


def _gate_rows(report: Report) -> Iterable[Row]:
    for gate, line in report.by_gate.items():
        counts = (str(line.passes), str(line.refusals), str(line.unknown), str(line.windows_scored))
        yield gate, *counts, _signed(line.saved_cents)


def _notes(report: Report) -> list[str]:
    presence = report.presence
    notes = [
        f"{report.markets:,} of {report.markets_recorded:,} markets were evaluated, {report.evaluations:,} times.",
        f"{presence.blind:,} of {presence.due:,} evaluations that were due stood on data past its staleness limit.",
        f"In no rate: {report.unsettled} trades that nobody settled, {report.repeated} more in a window that had one.",
        f"Outside the headline: {report.outside_headline} quote-labelled trades of the last minute.",
    ]
    if report.failures:
        notes.append(f"The strategy failed in {report.failures} evaluations.")
    if report.rejected_rows:
        notes.append(f"{report.rejected_rows} rows of the recording could not be read.")
    notes += [f"Risk alone kept out {count} windows by {rule}." for rule, count in report.risk_alone.items()]
    notes += [f"Left out: {name}: {why}." for name, why in report.skipped.items()]
    return notes


def _speed(report: Report) -> str:
    rate = f"{report.events_per_second:,.0f} events a second"
    return f"{report.events:,} events in {report.seconds:.1f} s ({rate}); digest {report.digest}."


def _percent(value: float | None) -> str:
    return NOTHING if value is None else f"{value * 100:.1f} %"


def _signed(value: float | None) -> str:
    return NOTHING if value is None else f"{value:+.1f}"


def _interval(interval: Interval | None, scale: float) -> str:
    if interval is None:
        return ""
    sign = "+" if scale == 1 else ""
    return f" [{interval[0] * scale:{sign}.1f}, {interval[1] * scale:{sign}.1f}]"


def _rich(sheet: Sheet) -> Table:
    table = Table(title=sheet.title, title_justify="left", pad_edge=False)
    for index, name in enumerate(sheet.head):
        table.add_column(name, justify="left" if index == 0 else "right")
    for row in sheet.rows:
        table.add_row(*row)
    return table


def _markdown(sheet: Sheet) -> str:
    lines = [f"**{sheet.title}**", "", _line(sheet.head), _line(["---", *["---:"] * (len(sheet.head) - 1)])]
    return "\n".join([*lines, *(_line(row) for row in sheet.rows)])


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"

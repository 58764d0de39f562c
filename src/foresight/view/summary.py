"""The few lines that a run ends with."""

from foresight.engine import EngineReport
from foresight.runtime.documents import iso


def summary_text(report: EngineReport, run: str) -> str:
    """What was watched, traded and earned, and where it is kept."""
    counts, money = report.presence, report.money
    presence = (
        f"Presence: {counts.due} evaluations due, {counts.done} done, {counts.late} late, {counts.missed} missed, "
        f"{counts.blind} blind; {counts.on_event} more on events; lateness p99 {counts.lateness_ms.p99:.1f} ms."
    )
    trades = (
        f"Trades ({report.origin}): {money.trades} closed, {money.wins} won, {len(report.positions)} open; "
        f"P&L {money.pnl:+.2f} USD after {money.fees:.2f} USD of fees ({money.realised:+.2f} realised)."
    )
    lines = [
        f"Stopped in order at venue time {iso(report.now_ns)}, after {_span(report.now_ns - report.start_ns)}.",
        presence,
        trades,
        f"Kept in {run}. `foresight trades` lists them, `foresight explain ID` explains one.",
    ]
    return "\n".join(lines)


def _span(nanoseconds: int) -> str:
    seconds = max(0, nanoseconds) // 10**9
    hours, minutes, rest = seconds // 3600, seconds // 60 % 60, seconds % 60
    return f"{hours} h {minutes:02d} min {rest:02d} s" if hours else f"{minutes} min {rest:02d} s"

"""Replaying recordings and scoring them honestly: how a strategy did, beside a baseline, and how sure one can be."""

from foresight.results.render import show, to_markdown
from foresight.results.replaying import Replayed, replay
from foresight.results.report import GateLine, Report, report_of
from foresight.results.scoring import Brier, Score, ScoredTrade, count_trades, score
from foresight.results.splits import Split

__all__ = [
    "Brier",
    "GateLine",
    "Replayed",
    "Report",
    "Score",
    "ScoredTrade",
    "Split",
    "count_trades",
    "replay",
    "report_of",
    "score",
    "show",
    "to_markdown",
]

"""The deterministic middle: events in, effects out."""

from foresight.engine.engine import Engine
from foresight.engine.report import EngineReport, PositionReport, SlotReport, report_of
from foresight.engine.settings import RiskLimits, Settings

__all__ = ["Engine", "EngineReport", "PositionReport", "RiskLimits", "Settings", "SlotReport", "report_of"]

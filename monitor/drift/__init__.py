"""Drift decisions that keep to a budget of false alarms."""

from monitor.drift.codec import decode_calibration, decode_state, encode_calibration, encode_state
from monitor.drift.columns import ColumnType, Role, WatchedColumn, WindowCounts
from monitor.drift.decision.budget import Budget, limits, parse
from monitor.drift.decision.change_point import dated, span_needed
from monitor.drift.decision.decide import Decision, advance
from monitor.drift.decision.state import DecisionState, begin
from monitor.drift.model.calibration import Calibration, fit
from monitor.drift.settings import DriftSettings

__all__ = [
    "Budget",
    "Calibration",
    "ColumnType",
    "Decision",
    "DecisionState",
    "DriftSettings",
    "Role",
    "WatchedColumn",
    "WindowCounts",
    "advance",
    "begin",
    "dated",
    "decode_calibration",
    "decode_state",
    "encode_calibration",
    "encode_state",
    "fit",
    "limits",
    "parse",
    "span_needed",
]

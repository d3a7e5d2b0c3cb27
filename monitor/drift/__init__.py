"""Drift decisions that keep to a budget of false alarms."""

from monitor.drift.budget import Budget, limits, parse
from monitor.drift.calibration import Calibration, fit
from monitor.drift.codec import decode_calibration, decode_state, encode_calibration, encode_state
from monitor.drift.columns import Column, Kind, Role, WindowCounts
from monitor.drift.decide import Judgement, advance
from monitor.drift.settings import DriftSettings
from monitor.drift.state import State, begin

__all__ = [
    "Budget",
    "Calibration",
    "Column",
    "DriftSettings",
    "Judgement",
    "Kind",
    "Role",
    "State",
    "WindowCounts",
    "advance",
    "begin",
    "decode_calibration",
    "decode_state",
    "encode_calibration",
    "encode_state",
    "fit",
    "limits",
    "parse",
]

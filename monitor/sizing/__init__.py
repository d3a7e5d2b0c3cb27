"""Estimates the machine that a number of models needs, from measured figures."""

from monitor.sizing.estimate import Estimate, Load, estimate
from monitor.sizing.report import text, to_dict

__all__ = ["Estimate", "Load", "estimate", "text", "to_dict"]

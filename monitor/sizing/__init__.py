"""Estimates the machine that a number of models needs, from measured figures."""

from monitor.sizing.estimate import Load, SizingEstimate, estimate
from monitor.sizing.report import text, to_dict

__all__ = ["Load", "SizingEstimate", "estimate", "text", "to_dict"]

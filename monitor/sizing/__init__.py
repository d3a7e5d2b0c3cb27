"""What a machine needs for so many models, from measured figures."""

from monitor.sizing.estimate import Estimate, Load, estimate
from monitor.sizing.report import text, to_dict

__all__ = ["Estimate", "Load", "estimate", "text", "to_dict"]

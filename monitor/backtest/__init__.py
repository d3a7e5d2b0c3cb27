"""Backtests: what rules would have done over what was measured, by the very code that judges live."""

from monitor.backtest.report import compare, summary
from monitor.backtest.run import Backtest, Firing, actual, backtest

__all__ = ["Backtest", "Firing", "actual", "backtest", "compare", "summary"]

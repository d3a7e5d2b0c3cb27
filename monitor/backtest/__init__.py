"""Backtests: the alerts that rules would have raised on stored measurements, with the code that evaluates live. Start
with `run.py`.
"""

from monitor.backtest.report import compare, summary
from monitor.backtest.run import Backtest, Firing, actual, backtest

__all__ = ["Backtest", "Firing", "actual", "backtest", "compare", "summary"]

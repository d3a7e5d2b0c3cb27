"""Business metrics: automation, review and correction rates, satisfaction, cost."""

from monitor.metrics.business import automation, cost, satisfaction

INFO = (*automation.INFO, *satisfaction.INFO, *cost.INFO)

"""Speed, against the peers and against our own goals. See docs/performance.md for results."""

from monitor.runtime.cpu_tuning import tune_process

tune_process()  # before numpy is loaded: it chooses how numpy sorts

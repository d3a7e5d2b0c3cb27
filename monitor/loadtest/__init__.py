"""Load tests: the calls a second that a daemon or a model holds, and what limits first. Start with `run.py`."""

"""Conditions, the alert state machine, and the evaluation of rules. Start with `evaluate.py`."""

"""Rollback: whether to take a new version back, the order to the platform, and the proof that its traffic has gone.

`decision.py` decides (pure), `planner.py` stores the decision and its order in one transaction, `worker.py` carries
orders out, and `verification.py` checks the traffic afterwards. `executors/` has one file per platform.
"""

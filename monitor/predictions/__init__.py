"""The prediction log: predictions and their outcomes, as columns in the store.

`intake/` parses and validates request bodies, `log/` writes batches, `outcomes/` matches outcomes to predictions. Start
with `log/writer.py`.
"""

"""Writes validated records to the store, as batches of Arrow columns. Start with `writer.py`."""

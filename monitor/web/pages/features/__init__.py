"""The features of a model for engineers: a table of all, and a page of each. Start with `table.py`."""

"""Tables and views of SQL databases as sources. Start with `database.py`."""

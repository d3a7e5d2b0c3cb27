"""Files as rows: CSV, JSON, Parquet, Arrow; local or in an object store. Start with `load.py` and `chunked.py`."""

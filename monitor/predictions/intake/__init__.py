"""Parses and validates request bodies. Start with `parse.py`; `requests.py` passes requests to the writer."""

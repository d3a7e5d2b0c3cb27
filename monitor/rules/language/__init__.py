"""Rule files: their schema, expressions and parser. Start with `parse.py`."""

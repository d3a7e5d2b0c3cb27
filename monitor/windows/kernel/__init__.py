"""The counting kernel: rows to a profile. Start with `count_rows.py`."""

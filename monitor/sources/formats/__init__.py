"""What messages contain: each file turns one notation into records. Start with `format.py`; `catalog.py` lists all."""

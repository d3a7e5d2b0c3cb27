"""While the store is unavailable: rules are evaluated (`evaluate.py`) and paged (`emergency.py`) from memory."""

"""The engineers' page of one model. Start with `engineer.py`."""

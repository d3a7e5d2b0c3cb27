"""The state of models in a client's words, for pages and digests. Start with `model_state.py` and `client_state.py`."""

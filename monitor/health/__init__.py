"""The state of models in a client's words, for pages and digests. Start with `verdict.py` and `client_state.py`."""

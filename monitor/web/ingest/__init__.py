"""`POST /v1/predictions` and `/v1/outcomes`. Start with `front.py` (all requests) and `endpoints.py`."""

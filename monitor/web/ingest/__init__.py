"""`POST /v1/predictions` and `/v1/outcomes`, and OTLP. Start with `front.py` (all requests) and `endpoints.py`."""

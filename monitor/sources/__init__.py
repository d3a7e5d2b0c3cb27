"""Sources of predictions and outcomes: files (`files/`), folders and object stores that grow (`objects/`), message
brokers (`brokers/`), SQL databases (`sql/`), and OpenTelemetry's traces (`otlp/`). `formats/` says what their messages
contain. Health probes of models are here too (`probes.py`). Start with `source.py` and `runner.py`.
"""

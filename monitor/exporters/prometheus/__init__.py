"""Prometheus: the text of `/metrics` (`text.py`), and the daemon's own metrics."""

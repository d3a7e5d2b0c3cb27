"""Samples for other systems: collected once (`collector.py`), written as Prometheus' text. Grafana's dashboards."""

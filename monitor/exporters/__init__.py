"""Collects samples of metrics for other systems (`collector.py`), writes them as Prometheus' text, and generates
Grafana dashboards.
"""

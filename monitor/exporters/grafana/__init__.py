"""Grafana dashboards: panels (`overview`, `model`, `client`, `fleet`), which `json_model.py` converts to Grafana's
JSON.
"""

"""Grafana dashboards as lists of panels (`overview`, `model`, `client`, `fleet`), drawn to JSON by `grafana`."""

"""Figures that a model server, an exporter or a Prometheus publishes over HTTP."""

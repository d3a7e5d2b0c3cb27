"""Exports rules to Prometheus, and tests rule files."""

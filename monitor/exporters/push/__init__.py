"""Sends metrics to systems that do not scrape: OTLP, Prometheus remote write, StatsD.

`point.py` is what is sent, `intervals.py` makes it from samples, `runner.py` sends it at its interval. Each protocol
is one file; `registry.py` lists them.
"""

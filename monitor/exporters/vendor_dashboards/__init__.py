"""Dashboards for Datadog and New Relic, made from the same panels as those for Grafana.

`query_model.py` reads what a query of a panel asks for; `datadog_json.py` and `newrelic_json.py` ask the same of each
vendor.
"""

"""The JSON API, `/metrics`, rollout gates and PagerDuty's webhooks. Start with `routes.py`."""

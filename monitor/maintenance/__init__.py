"""Upkeep of the daemon: baselines, rule reload, retention, the leader lease, database upgrades."""

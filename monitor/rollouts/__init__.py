"""Rollouts: whether a new version fails more often than the one it is to replace, for whoever steers the traffic."""

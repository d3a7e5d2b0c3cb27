"""Runs of agents: spans of agents, of their tools and of their calls, which become one record for each run."""

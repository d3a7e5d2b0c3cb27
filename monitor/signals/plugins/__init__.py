"""Signals of others: a function of yours in a process of its own, with a deadline."""

"""Pairs the requests and responses of calls that arrive as two messages."""

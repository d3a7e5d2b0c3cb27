"""Connections below HTTP: accepted, written to, and which are closed where there are too many."""

"""Watchkeeper's own database, and all SQL on it. One file per table; each function takes an open connection."""

"""Texts of calls of language models: read from records, measured as signals, redacted, and kept apart from the log."""

"""Commands for intake: sources and rejected records."""

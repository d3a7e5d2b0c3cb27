"""Signals of calls of language models, and the texts that are kept of them."""

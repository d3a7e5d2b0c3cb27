"""Calls of language models: signals of their texts, tokens, and what judges and people say of their answers."""

"""Signals: numbers made of the texts and figures of calls of language models. Pure functions over Arrow columns."""

"""Attacks on a model through its texts, and what they are after: its instructions."""

"""Scores that evaluators gave to predictions: their means, and their agreement with people."""

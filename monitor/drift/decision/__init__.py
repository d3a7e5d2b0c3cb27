"""The drift decision for one window: evidence, incident and verdict."""

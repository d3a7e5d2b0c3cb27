"""The decision for one window: evidence, incident, verdict."""

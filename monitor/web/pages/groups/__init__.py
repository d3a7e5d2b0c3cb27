"""The groups of a model, compared, for engineers."""

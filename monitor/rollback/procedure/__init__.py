"""The written rollback plan of a model."""

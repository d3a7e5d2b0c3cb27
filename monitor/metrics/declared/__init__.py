"""What the configuration declares of a model: its own metrics."""

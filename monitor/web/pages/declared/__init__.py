"""What the configuration declares of a model, for engineers."""

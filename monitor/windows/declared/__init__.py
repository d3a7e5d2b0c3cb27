"""What the configuration declares of a model, counted with its rows: own metrics."""

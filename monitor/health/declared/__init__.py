"""What the configuration declares of a model: own metrics, their settings and their words."""

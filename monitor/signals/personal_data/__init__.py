"""Personal data and secrets in texts: found, compared with what the model was given, and redacted."""

"""The machine, container and processes that the daemon shares with a model."""

"""A real model on real flights, served live: what a newcomer looks at first. The daemon knows nothing of it."""

"""The demonstration: a real model serves real flights. The daemon has no code for it."""

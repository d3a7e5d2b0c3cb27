"""What serving platforms log of the calls of a model: one format each."""

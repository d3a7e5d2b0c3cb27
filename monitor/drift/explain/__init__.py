"""Explains drift: what changed, in which segment, and the likeliest causes."""

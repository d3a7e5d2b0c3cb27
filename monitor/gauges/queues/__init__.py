"""Depth and age of queues, read as each broker counts them."""

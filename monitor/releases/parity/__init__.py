"""Parity of two environments: what differs between them, and whether that is agreed."""

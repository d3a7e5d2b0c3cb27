"""A caller's values as records: copied, checked, and as JSON."""

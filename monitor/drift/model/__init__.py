"""The model of normal variation that is learned for each stream."""

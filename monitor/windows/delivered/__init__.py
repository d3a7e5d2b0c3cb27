"""Windows whose profiles sites have delivered: what they add to the windows of a stream."""

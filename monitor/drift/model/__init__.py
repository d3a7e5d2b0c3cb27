"""What is learned of a stream: how each column varies while nothing is wrong."""

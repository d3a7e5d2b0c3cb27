"""HTTP to the daemon: its address, one request, what the answer means, when to try again."""

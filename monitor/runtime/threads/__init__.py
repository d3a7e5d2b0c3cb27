"""What threads of one process owe each other."""

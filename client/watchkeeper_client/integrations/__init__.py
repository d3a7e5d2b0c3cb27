"""What wires a client into web frameworks, models and language-model clients, each in a file of its own."""

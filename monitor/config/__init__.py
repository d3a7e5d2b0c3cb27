"""The configuration: its sections, the file they are read from, and what spans several of them."""

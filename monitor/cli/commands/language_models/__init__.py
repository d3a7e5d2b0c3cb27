"""Commands for language models: signals, system prompts and canaries."""

"""The version, which each request carries."""

__version__ = "0.1.0"

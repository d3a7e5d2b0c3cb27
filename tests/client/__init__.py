"""The client library, against the real daemon."""

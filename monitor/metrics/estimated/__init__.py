"""Quality estimated before outcomes arrive."""

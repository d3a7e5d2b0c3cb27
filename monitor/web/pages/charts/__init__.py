"""Charts rendered on the server as SVG. Start with `svg.py`."""

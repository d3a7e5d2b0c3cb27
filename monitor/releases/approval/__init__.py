"""Approval of versions before they are promoted: who approved what, and whether that is enough."""

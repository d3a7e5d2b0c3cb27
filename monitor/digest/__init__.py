"""The daily and weekly summary: composed from the store, delivered through the outbox."""

from monitor.digest.compose import Digest
from monitor.digest.sending import Sender, overdue

__all__ = ["Digest", "Sender", "overdue"]

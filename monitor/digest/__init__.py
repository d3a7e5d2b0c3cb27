"""Digests: the daily and weekly summaries for clients, composed from the store and delivered through the outbox."""

from monitor.digest.compose import Digest
from monitor.digest.sending import Sender, overdue

__all__ = ["Digest", "Sender", "overdue"]

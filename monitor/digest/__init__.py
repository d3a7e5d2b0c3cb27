"""Digests: the daily and weekly summaries for clients, composed from the store and delivered through the outbox.

Mails on changes are in `changes/`, service reports of a week or a month in `service/`. Start with `compose.py`.
"""

from monitor.digest.compose import Digest
from monitor.digest.sending import Sender, overdue

__all__ = ["Digest", "Sender", "overdue"]

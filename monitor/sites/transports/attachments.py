"""Finds bundles in a mail by how one begins in Base64. The structure of the mail is not read.

Whoever may write to a mailbox may write mails whose structure takes a parser minutes. This takes time in proportion to
the size, and finds bundles in forwarded mails, too.
"""

import base64
import binascii
from collections.abc import Iterator
from itertools import islice

import re2

from monitor.sites.bundle import MAGIC

LARGEST_MAIL = 48_000_000
"""Bytes. Hardly any mail server takes more."""
_MOST = 100
_BEGIN = base64.b64encode(MAGIC)[:5]
"""The characters that do not depend on what follows."""
_ATTACHMENT = re2.compile(rb"(?m)^" + _BEGIN + rb"[A-Za-z0-9+/]*(?:\r?\n[A-Za-z0-9+/]+)*={0,2}")


def bundles_in(mail: bytes) -> Iterator[bytes]:
    """What looks like a bundle, at most a hundred of them. Nothing is verified."""
    for match in islice(_ATTACHMENT.finditer(mail), _MOST):
        try:
            yield base64.b64decode(match.group(0))
        except binascii.Error:
            yield match.group(0)  # cut: it is refused as no bundle

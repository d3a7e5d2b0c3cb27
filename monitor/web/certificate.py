"""The TLS certificate in use: a renewed file is taken without a restart, one that does not fit is not."""

import logging
import ssl
from pathlib import Path

log = logging.getLogger(__name__)


class Certificate:
    """A certificate with its key, as files that somebody else renews."""

    def __init__(self, certificate: Path, private_key: Path) -> None:
        self._files = (certificate, private_key)
        self._taken = self._written()

    def renew(self, context: ssl.SSLContext) -> bool:
        """Take the files into a running server's context if they changed; whether it did.

        Renewing programs write one file after the other, so a pair that does not fit is looked at again.
        """
        written = self._written()
        if written == self._taken:
            return False
        try:
            # Tried apart first: a context that was given half a pair would answer nobody any more.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*self._files)
            context.load_cert_chain(*self._files)
        except (OSError, ssl.SSLError) as error:
            log.warning("the renewed certificate %s cannot be used yet: %s", self._files[0], error)
            return False
        self._taken = written
        log.info("the renewed certificate %s is in use", self._files[0])
        return True

    def _written(self) -> tuple[int, ...]:
        try:
            return tuple(path.stat().st_mtime_ns for path in self._files)
        except OSError:
            return ()

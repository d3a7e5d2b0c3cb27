"""The TLS certificate in use: renewed files are loaded without a restart, mismatching ones are not."""

import logging
import ssl
from pathlib import Path

log = logging.getLogger(__name__)


class Certificate:
    """A certificate with its key, as files that another program renews."""

    def __init__(self, certificate: Path, private_key: Path) -> None:
        self._files = (certificate, private_key)
        self._loaded = self._modification_times()

    def renew(self, context: ssl.SSLContext) -> bool:
        """Load the files into a running server's context if they changed. Returns whether they were loaded.

        Renewing programs write one file after the other, so a mismatching pair is checked again at the next call.
        """
        modified = self._modification_times()
        if modified == self._loaded:
            return False
        try:
            # Tried separately first: a context with half a pair could not serve any connection.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*self._files)
            context.load_cert_chain(*self._files)
        except (OSError, ssl.SSLError) as error:
            log.warning("the renewed certificate %s cannot be used yet: %s", self._files[0], error)
            return False
        self._loaded = modified
        log.info("the renewed certificate %s is in use", self._files[0])
        return True

    def _modification_times(self) -> tuple[int, ...]:
        try:
            return tuple(path.stat().st_mtime_ns for path in self._files)
        except OSError:
            return ()

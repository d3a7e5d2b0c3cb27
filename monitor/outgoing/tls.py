"""TLS of outgoing connections: the peer proves its name, with a certificate that names it as names are given today."""

import ssl


def verifying(ca_file: str = "") -> ssl.SSLContext:
    """Settings that trust the certificates in a file, or the system's. A name is one of the certificate's alternative
    names (RFC 9525): Python would also take the common name of a certificate without any.

    Raises:
        OSError: the file cannot be read, or holds no certificate.
    """
    context = ssl.create_default_context(cafile=ca_file or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False
    return context

"""What to do about a source that cannot be used, by what its client or server says.

Clients put the same few causes into words of their own: these are recognized, so that nobody looks for a firewall where
a password is wrong.
"""

import re
from dataclasses import dataclass

_NAME = re.compile(
    r"name or service not known|cannot be resolved|failed to resolve|name resolution|getaddrinfo|no address associated",
    re.IGNORECASE,
)
_NOBODY = re.compile(r"connection refused|connect call failed", re.IGNORECASE)
_CLOCK = re.compile(r"Time_?Too_?Skewed|signature (has )?expired|not yet (valid|current)", re.IGNORECASE)
_OLD_CERTIFICATE = re.compile(r"certificate (has|is) expired", re.IGNORECASE)
_OTHER_NAME = re.compile(
    r"(hostname|ip address) mismatch|certificate\b.{0,100}\bdoes(n't| not) match", re.IGNORECASE
)
_AUTHORITY = re.compile(
    r"certificate[ _]verify[ _]failed|self.signed certificate|get (local )?issuer", re.IGNORECASE
)
_NO_TLS = re.compile(
    r"wrong[ _]version[ _]number|does not support (SSL|TLS)|packet length too long", re.IGNORECASE
)
_EXPIRED = re.compile(
    r"Expired_?Token|(token|credentials?)\b.{0,60}\bexpired|not valid in the specified time ?frame",
    re.IGNORECASE,
)
_LOGIN = re.compile(
    r"authorization violation|WRONGPASS|NOAUTH|invalid username|login was refused|SASL authentication"
    r"|authentication ?(failed|required)|failed to authenticate|no password supplied|access denied for user"
    r"|unauthenticated|HTTP 401"
    r"|invalid_grant|invalid_client|no AWS credentials|create an? OAuth2 access token"
    r"|key file of a service account|service account key file"
    r"|InvalidClientTokenId|InvalidAccessKeyId|INVALID_ACCESS_KEY|SignatureDoesNotMatch|SIGNATURE_DOES_NOT_MATCH"
    r"|IncompleteSignature|UnrecognizedClient|INVALID_CLIENT_TOKEN",
    re.IGNORECASE,
)
_RIGHT = re.compile(
    r"permissions? (violation|denied)|no permissions?|NOPERM|ACCESS_REFUSED|authorization failed|command denied"
    r"|access[ _]?denied|not authorized|HTTP 403",
    re.IGNORECASE,
)
_OTHER_PROTOCOL = re.compile(
    r"invalid response|bad protocol|not in .{1,12} protocol|not a Redis reply|without JSON|incompatible protocol"
    r"|did not greet",
    re.IGNORECASE,
)
_CLOSED = re.compile(
    r"reset by peer|indicated EOF|closed the connection|connection closed|disconnected while|lost connection",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Advice:
    """What a kind of source tells people to check.

    `usual` is for what is not recognized. `login` names where the credentials are, `right` what the user must be
    allowed to do, and `authority` how an authority of certificates is made known.
    """

    usual: str
    login: str = "correct `username` and `password`"
    right: str = "grant the user the right to read"
    authority: str = "name the file with its certificates in `certificates`"
    expired: str = "renew them"

    def hint(self, words: str) -> str:
        """What to do about an error with these words."""
        for pattern, hint in (
            (_NAME, "is the name right, and known to this machine?"),
            (_NOBODY, "is the server running, and is this its port?"),
            (_CLOCK, "is the clock of this machine, or that of the server, wrong?"),
            (_OLD_CERTIFICATE, "the server's certificate has expired: renew it"),
            (_OTHER_NAME, "use the name that the server's certificate is for"),
            (_AUTHORITY, f"the authority of the server's certificate is not known here: {self.authority}"),
            (
                _NO_TLS,
                "the server does not speak TLS at this port: is it the right one?",
            ),
            (_EXPIRED, f"the credentials have expired: {self.expired}"),
            (_LOGIN, f"the login was refused: {self.login}"),
            (_RIGHT, f"the user may not do this: {self.right}"),
            (_OTHER_PROTOCOL, "another program answers there: is it the right port?"),
            (_CLOSED, "the server closed the connection: is it the right port, and does it need TLS?"),
        ):
            if pattern.search(words):
                return hint
        return self.usual


MACHINE_AUTHORITY = "add it to those of this machine"
AWS_LOGIN = "correct the access key, its secret and the session token"
AWS_EXPIRED = "renew AWS's file of credentials, which is read again; those in the environment need a restart"
GOOGLE_LOGIN = "renew the key file that GOOGLE_APPLICATION_CREDENTIALS names, which is read again"

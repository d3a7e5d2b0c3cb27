"""uvicorn's protocol, to which what follows a body in parts is no header: RFC 9110, 6.5.1."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class RequestProtocol(HttpToolsProtocol):
    """Reads requests. uvicorn adds trailers that came together with the head to the headers of the request, where they
    could name another sender, or another length, than a proxy has looked at.
    """

    def on_headers_complete(self) -> None:
        """The head has ended: the request has these headers, and what comes after them goes nowhere."""
        super().on_headers_complete()
        self.headers = []

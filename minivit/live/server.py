"""The page for this machine alone: the standard library's server, on loopback, behind a token in the address.

What may ask: a request whose Host is this server's, so that no name on the web can be made to point here; that knows
the token, which the address printed in the terminal holds; and, where it asks for an answer, whose Origin is this
server's, so that no other page can. Bodies are small, JSON, and of a length that is told. Nothing is written.
"""

import errno
import hmac
import json
import os
import secrets
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ..messages import say
from ..model import Classifier
from .about import about
from .page import asset, embedded
from .session import Session
from .wire import body

HOST = "127.0.0.1"
LARGEST = 1 << 16  # bytes of a request's body: 64 × 64 pixels and some words
TIMEOUT = 30  # seconds in which a connection must say something
FILES = {"live.js": "text/javascript", "served.js": "text/javascript", "live.css": "text/css"}
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "connect-src 'self'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)


class Server(ThreadingHTTPServer):
    """Serves one model's page at `address`. `serve_forever()` runs it, `server_close()` gives the port back.

    port 0 takes any that is free. Raises OSError where the port is taken, TypeError or ValueError for a model that
    cannot be drawn for.
    """

    daemon_threads = True
    allow_reuse_address = os.name != "nt"  # there it would share a port that is taken

    def __init__(self, model: Classifier, port: int) -> None:
        self.session, self.token = Session(model), secrets.token_urlsafe(16)
        page = asset("served.html").replace("{about}", embedded(about(model)))
        self.files = {"": ("text/html", page.encode())}
        self.files |= {name: (kind, asset(name).encode()) for name, kind in FILES.items()}
        try:
            super().__init__((HOST, port), Handler)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            taken = "is taken by another program" if error.errno == errno.EADDRINUSE else "may not be used"
            raise OSError(f"port {port} {taken}: name another, or --port 0 for any that is free") from error
        self.hosts = {f"{name}:{self.server_port}" for name in (HOST, "localhost")}

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.server_port}/{self.token}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away in the middle of an answer is no error of ours."""


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "minivit", ""
    timeout = TIMEOUT

    def do_GET(self) -> None:
        if (name := self._allowed()) is not None:
            if name in self.server.files:
                self._reply(*self.server.files[name])
            else:
                self._refuse(HTTPStatus.NOT_FOUND)

    do_HEAD = do_GET  # the same, without what it holds

    def do_POST(self) -> None:
        self.close_connection = True  # until the body has been read: what is left of it is no next request
        if (name := self._allowed()) is None:
            return
        if name != "ask":
            return self._refuse(HTTPStatus.NOT_FOUND)
        if self.headers.get("Origin") not in {f"http://{host}" for host in self.server.hosts}:
            return self._refuse(HTTPStatus.FORBIDDEN)
        if self.headers.get_content_type() != "application/json":
            return self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()) or "Transfer-Encoding" in self.headers:
            return self._refuse(HTTPStatus.LENGTH_REQUIRED)
        if len(length) > 9 or int(length) > LARGEST:
            return self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        content = self.rfile.read(int(length))
        self.close_connection = False
        try:
            request = json.loads(content)
        except (ValueError, RecursionError):
            return self._refuse(HTTPStatus.BAD_REQUEST)
        self._reply("application/octet-stream", body(self.server.session.answer(request)))

    def _allowed(self) -> str | None:
        """What is asked for, behind the token; None where the request was refused."""
        if self.headers.get("Host") not in self.server.hosts:
            return self._refuse(HTTPStatus.MISDIRECTED_REQUEST)
        token, slash, name = self.path.removeprefix("/").partition("/")
        if not slash or not hmac.compare_digest(token.encode(), self.server.token.encode()):
            return self._refuse(HTTPStatus.FORBIDDEN, ": open the whole address that `python -m minivit live` printed")
        return name

    def _reply(self, kind: str, content: bytes, status: HTTPStatus = HTTPStatus.OK) -> None:
        self.send_response(status)
        text = kind.startswith("text/")
        self.send_header("Content-Type", f"{kind}; charset=utf-8" if text else kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _refuse(self, status: HTTPStatus, hint: str = "") -> None:
        self.close_connection = True
        self._reply("text/plain", f"{status.value} {status.phrase}{hint}\n".encode(), status)

    def log_message(self, *_: Any) -> None:
        """Nothing: the terminal is for what its owner should read."""


def serve(model: Classifier, port: int, said: str) -> None:
    """Serve until Ctrl-C. said: what the model is called in the line that tells the address."""
    with Server(model, port) as server:
        try:
            say(f"{said}: draw a digit at\n\n  {server.address}\n\nin a browser on this machine. Ctrl-C ends it.")
            server.serve_forever()
        except KeyboardInterrupt:
            say("\nThe page is closed.")

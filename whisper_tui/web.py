"""The console in a browser: one page on loopback, behind a path that cannot be guessed.

Every page of the web may have a browser send something to this machine; none may read the mesh by that or act on it. So
whoever asks must know the path, must call the server by a loopback name (a name that was rebound to loopback is refused), and
must come from the page itself. Needs the extra `web`.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable

from aiohttp import web
from textual_serve.server import Server

TOKEN_BYTES = 18
SESSIONS_MAX = 4
"""Pages open at once: each is a console process of its own."""

NAMES = ("127.0.0.1", "localhost", "[::1]")
"""What a browser on this machine may call the server."""

_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self' data:; connect-src 'self' ws://{host}; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ConsoleServer(Server):
    """Serves what `command` draws at `url`, to this machine only."""

    def __init__(self, command: str, port: int) -> None:
        super().__init__(command, host="127.0.0.1", port=port, title="whisper")
        self.token = secrets.token_urlsafe(TOKEN_BYTES)
        self.sessions = 0

    @property
    def url(self) -> str:
        """The address of the page; whoever has it sees the mesh."""
        return f"{self.public_url}/{self.token}/"

    async def application(self) -> web.Application:
        """What answers: the page under its path, nothing elsewhere."""
        outer = web.Application(middlewares=[self._guard])
        outer.add_subapp(f"/{self.token}", await super()._make_app())
        return outer

    async def on_startup(self, app: web.Application) -> None:
        """Whoever started it says where it is."""

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        """A page that is open: a console of its own."""
        if self.sessions >= SESSIONS_MAX:
            raise web.HTTPServiceUnavailable(text=f"{SESSIONS_MAX} pages are open already: close one\n")
        self.sessions += 1
        try:
            answer: web.WebSocketResponse = await super().handle_websocket(request)
        finally:
            self.sessions -= 1
        return answer

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if problem := self._problem(request):
            return web.Response(status=403, text=f"{problem}\n")
        answer = await handler(request)
        if not answer.prepared:
            answer.headers["Content-Security-Policy"] = _POLICY.format(host=request.host)
            answer.headers["Referrer-Policy"] = "no-referrer"
            answer.headers["X-Content-Type-Options"] = "nosniff"
            answer.headers["Cache-Control"] = "no-store"
        return answer

    def _problem(self, request: web.Request) -> str:
        """Why a request is refused, empty when it is not."""
        if request.host not in {f"{name}:{self.port}" for name in NAMES}:
            return "this server answers to loopback names only"
        origin = request.headers.get("Origin")
        if origin not in {None, f"http://{request.host}"}:
            return "this server answers to its own page only"
        if origin is None and request.headers.get("Upgrade"):
            return "a stream is opened by the page only"
        # A request about the server as a whole, `OPTIONS *`, has a path without any `/`.
        part = request.path.removeprefix("/").partition("/")[0]
        if not secrets.compare_digest(part.encode(), self.token.encode()):
            return "there is nothing here: the whole address is needed"
        return ""

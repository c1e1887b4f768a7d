"""What holds for every request and every response: how large a body may be, and what a browser may load."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from search.failures import Refusal

_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


class BodyLimit:
    """Refuses a request body of more than so many bytes (413), declared or streamed."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        refusal = Refusal(413, "too_large", f"The body is larger than {self._most:,} bytes.")
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdecimal() and int(declared) > self._most:
            return await refusal.response()(scope, receive, send)
        size = 0

        async def limited() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > self._most:
                raise refusal
            return message

        return await self._app(scope, limited, send)


class BrowserHeaders:
    """Tells browsers to load nothing from elsewhere, to run nothing but our own script files, and to ask
    whether a file has changed before using it again."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        headers = {**_HEADERS, "Content-Security-Policy": policy(scope["path"])}

        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(headers)
            await send(message)

        return await self._app(scope, receive, secured)


def policy(path: str) -> str:
    """The Content-Security-Policy of a path. Swagger UI writes style attributes; nothing else may."""
    rules = {**_POLICY, "style-src": "'self' 'unsafe-inline'"} if path == "/docs" else _POLICY
    return "; ".join(f"{name} {value}" for name, value in rules.items())

"""From what went wrong to what the client reads: one shape, {"error": {"type", "message"}}, written in one place."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from naru.errors import NaruError, UnavailableError
from search.conditions import place

_HTTP_TYPES = {400: "invalid_json", 404: "not_found", 405: "method_not_allowed"}


class Refusal(HTTPException):
    """A request that is not served: the HTTP status, a type for programs and a message for people."""

    def __init__(
        self, status: int, type: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, message, headers)
        self.type = type

    @classmethod
    def overloaded(cls, waiting: int) -> Refusal:
        message = f"{waiting} searches are running or waiting; try again in a moment."
        return cls(503, "overloaded", message, {"Retry-After": "1"})

    @classmethod
    def not_ready(cls, reason: str) -> Refusal:
        return cls(503, "not_ready", reason, {"Retry-After": "1"})

    def response(self) -> JSONResponse:
        # A message may quote a client's lone surrogate, which is in no UTF-8.
        message = self.detail.encode("utf-8", "backslashreplace").decode()
        body = {"error": {"type": self.type, "message": message}}
        return JSONResponse(body, self.status_code, headers=self.headers)


def answer_failures(app: FastAPI) -> None:
    """Give every failure of an app the one shape."""

    @app.exception_handler(UnavailableError)
    async def unavailable(request: Request, error: UnavailableError) -> JSONResponse:
        return Refusal(503, "unavailable", str(error), {"Retry-After": "1"}).response()

    @app.exception_handler(NaruError)
    async def mendable(request: Request, error: NaruError) -> JSONResponse:
        return Refusal(422, "invalid_request", str(error)).response()

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        return _invalid(error).response()

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        if isinstance(error.__cause__, UnicodeDecodeError):
            error = _not_utf8(error.__cause__)
        elif not isinstance(error, Refusal):
            type = _HTTP_TYPES.get(error.status_code, "error")
            error = Refusal(error.status_code, type, error.detail, error.headers)
        return error.response()

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> JSONResponse:
        # Starlette raises it again after this answer, and the server logs it with its traceback.
        return Refusal(500, "internal", "The service failed; its log has the reason.").response()


def _not_utf8(error: UnicodeDecodeError) -> Refusal:
    byte = f"byte 0x{error.object[error.start]:02x} at {error.start}"
    message = f"The body is not UTF-8: {byte}. Send the JSON as UTF-8; a Windows console writes CP949."
    return Refusal(400, "invalid_json", message)


def _invalid(error: RequestValidationError) -> Refusal:
    found = error.errors()
    if found[0]["type"] == "json_invalid":
        where = f"at character {found[0]['loc'][-1]}"
        return Refusal(400, "invalid_json", f"The body is not JSON: {found[0]['ctx']['error']} {where}.")
    if found[0]["loc"] == ("body",) and found[0]["type"] in ("missing", "model_attributes_type"):
        expected = "Expected a JSON object, sent with Content-Type: application/json."
        return Refusal(422, "invalid_request", expected)
    return Refusal(422, "invalid_request", "; ".join(map(_said, found)))


def _said(part: Mapping[str, object]) -> str:
    steps = part["loc"]
    assert isinstance(steps, tuple), "this is a bug: pydantic names places by tuples"
    message = str(part["msg"]).removeprefix("Value error, ")
    if steps[:2] == ("body", "filter"):
        inside = place(steps[2:])
        return f"filter{'.' + inside if inside else ''}: {message}"
    return f"{'.'.join(str(step) for step in steps if step != 'body')}: {message}"

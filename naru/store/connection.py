"""A Qdrant server (or Qdrant in this process): connecting, asking again when it stumbles, plain errors."""

from __future__ import annotations

import ipaddress
import json
import re
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

import grpc
import httpx
from qdrant_client import QdrantClient
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from naru.errors import NaruError, ReplacedError, UnavailableError

T = TypeVar("T")
ATTEMPTS = 6
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 10.0
_SECOND = 1.0
_OLDEST = (1, 14)
"""Formula queries came with Qdrant 1.14."""
_PORTS = {"http": 6333, "https": 6333, "grpc": 6334, "grpcs": 6334}
_PASSING = {429, 500, 502, 503, 504}
_PASSING_GRPC = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.ABORTED,
}
_GONE = " A version that two publishes have replaced is gone: open the collection again."


class Connection:
    """One client. Whatever is asked may be asked twice, so it must be idempotent."""

    def __init__(self, location: str, api_key: str | None, timeout: float, wait: float) -> None:
        self.location = location
        self.in_memory = location == ":memory:"
        # Qdrant inside this process is plain Python, written for one thread.
        self._turn = threading.Lock() if self.in_memory else None
        self._client = QdrantClient(":memory:") if self.in_memory else _client(location, api_key, timeout)
        if not self.in_memory:
            try:
                self._check_version(self._first_answer(wait))
            except BaseException:
                self._client.close()
                raise

    def ask(self, what: Callable[[QdrantClient], T], attempts: int = ATTEMPTS) -> T:
        """The answer; asks again, with growing pauses, when the connection fails or the server is busy (429)
        or failing (5xx). NaruError: still no answer, or the server refuses."""
        for attempt in range(attempts):
            try:
                if self._turn is None:
                    return what(self._client)
                with self._turn:
                    return what(self._client)
            except (
                json.JSONDecodeError,
                ResponseHandlingException,
                UnexpectedResponse,
                ResourceExhaustedResponse,
                grpc.RpcError,
            ) as error:
                if not _passes(error) or attempt + 1 == attempts:
                    raise self._explained(error, attempt + 1) from error
                time.sleep(_pause(error, attempt))
            except ValueError as error:
                if self.in_memory and re.fullmatch("Collection .* not found", str(error)):
                    raise ReplacedError(f"{error}.{_GONE}") from error
                raise
        raise AssertionError("this is a bug: no attempt was made")

    def close(self) -> None:
        self._client.close()

    def _first_answer(self, wait: float) -> str:
        """The server's version; a server that is still starting is given `wait` seconds."""
        deadline = time.monotonic() + wait
        while True:
            try:
                return self.ask(lambda client: client.info().version, attempts=1)
            except UnavailableError:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(_SECOND)

    def _check_version(self, version: str) -> None:
        try:
            major, minor = (int(part) for part in version.split(".")[:2])
        except ValueError:
            return  # a development build; let it try
        if (major, minor) < _OLDEST:
            raise NaruError(
                f"The Qdrant server at {self.location} has version {version}; naru needs "
                f"{'.'.join(map(str, _OLDEST))} or newer (formula queries). Upgrade the server."
            )

    def _explained(self, error: Exception, attempts: int) -> NaruError:
        where = f"The Qdrant server at {self.location}"
        tried = f" ({attempts} attempts)" if attempts > 1 else ""
        if isinstance(error, UnexpectedResponse):
            if error.status_code in (401, 403):
                return NaruError(
                    f"{where} refused the API key (HTTP {error.status_code}). Give the right one."
                )
            said = error.content.decode("utf-8", "replace")[:500]
            if error.status_code == 404:
                return ReplacedError(f"{where} answered HTTP 404: {said}{_GONE}")
            kind = UnavailableError if error.status_code in _PASSING else NaruError
            return kind(f"{where} answered HTTP {error.status_code}{tried}: {said}")
        cause = error.source if isinstance(error, ResponseHandlingException) else error
        if isinstance(cause, ValueError):  # not JSON, or not the JSON that was expected
            return NaruError(
                f"What answers at {self.location} does not talk like a Qdrant server: {cause}. "
                "Check the URL and the port (6333 for http, 6334 for grpc)."
            )
        if isinstance(error, grpc.Call):
            if error.code() in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED):
                return NaruError(f"{where} refused the API key ({error.details()}). Give the right one.")
            if error.code() == grpc.StatusCode.NOT_FOUND:
                return ReplacedError(f"{where} answered NOT_FOUND: {error.details()}{_GONE}")
            if error.code() != grpc.StatusCode.UNAVAILABLE:
                return NaruError(f"{where} answered {error.code().name}{tried}: {error.details()}")
            cause = error.details()
        return UnavailableError(
            f"{where} cannot be reached{tried}: {cause}. Start it (`docker compose up qdrant`) or check the "
            "URL; a folder as the store needs no server."
        )


def _client(location: str, api_key: str | None, timeout: float) -> QdrantClient:
    parts = urlsplit(location)
    try:
        default, port = _PORTS.get(parts.scheme), parts.port
    except ValueError as error:
        raise NaruError(f"The store {location!r} has no valid port: {error}.") from error
    if default is None or parts.hostname is None:
        raise NaruError(
            f"The store {location!r} is neither a folder nor http://, https://, grpc:// or grpcs://HOST:PORT."
        )
    # Sent as a header over a loopback connection, where the client's warning of an insecure one is noise.
    local = api_key is not None and _is_loopback(parts.hostname)
    made: dict[str, Any] = {
        "api_key": None if local else api_key,
        "headers": {"api-key": api_key} if local else None,
        "timeout": max(1, round(timeout)),
        "check_compatibility": False,
    }
    if parts.scheme.startswith("grpc"):
        made |= {"prefer_grpc": True, "grpc_port": port or default, "https": parts.scheme == "grpcs"}
        return QdrantClient(host=parts.hostname, **made)
    url = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
    if port is None:
        made["port"] = 443 if parts.scheme == "https" else default
    return QdrantClient(url=url, **made)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _passes(error: Exception) -> bool:
    """Whether the same question may be answered a moment later."""
    if isinstance(error, UnexpectedResponse):
        return error.status_code in _PASSING
    if isinstance(error, ResponseHandlingException):
        return isinstance(error.source, httpx.TransportError)
    if isinstance(error, grpc.Call):
        return error.code() in _PASSING_GRPC
    return isinstance(error, ResourceExhaustedResponse)


def _pause(error: Exception, attempt: int) -> float:
    """Seconds: what the server asks for, else doubling from 0.1."""
    wanted = float(error.retry_after_s) if isinstance(error, ResourceExhaustedResponse) else 0.0
    doubling: float = _FIRST_PAUSE * 2**attempt
    return min(max(wanted, doubling), _LONGEST_PAUSE)

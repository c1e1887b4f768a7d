"""Synchronous work off the event loop: so many jobs at once, so many waiting, and no more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Any, TypeVar

from search.failures import Refusal

T = TypeVar("T")


class ClientGoneError(Exception):
    """Nobody waits for this answer any more."""


class Workers:
    """A bounded pool of threads. A full one refuses at once instead of growing a queue nobody will wait for."""

    def __init__(self, concurrency: int, queue: int) -> None:
        """`concurrency` jobs run at once, `queue` more may wait."""
        self._pool = ThreadPoolExecutor(concurrency, "naru-search")
        self._room = concurrency + queue
        self._inside = 0
        self._lock = Lock()

    async def run(self, job: Callable[[], T], gone: Coroutine[Any, Any, None]) -> T:
        """The job's result. `gone` ends when the client has hung up; a job that waits then never starts.

        Raises Refusal (overloaded), ClientGoneError, and whatever the job raises.
        """
        watch = asyncio.ensure_future(gone)
        try:
            running = asyncio.wrap_future(self._submit(job))
            await asyncio.wait((running, watch), return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                return running.result()
            running.cancel()
            raise ClientGoneError
        finally:
            watch.cancel()

    def close(self) -> None:
        """Finish what runs and waits, and take nothing more."""
        self._pool.shutdown(wait=True)

    def _submit(self, job: Callable[[], T]) -> Future[T]:
        with self._lock:
            if self._inside >= self._room:
                raise Refusal.overloaded(self._inside)
            self._inside += 1
        future = self._pool.submit(job)
        future.add_done_callback(self._leave)
        return future

    def _leave(self, future: Future[Any]) -> None:
        with self._lock:
            self._inside -= 1

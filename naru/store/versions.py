"""The versions of one collection in a folder: who holds them, which one is current, which may be removed.

    STORE/NAME/.lock            held for the moment in which versions come and go
    STORE/NAME/CURRENT          the name of the published version; swapped by rename
    STORE/NAME/relevance.json   the calibration, where there is one; outlives versions, swapped by rename
    STORE/NAME/<version>/       holder: locked by the one process that has it open, and says which that is
    STORE/NAME/.build-<version> a build; of a killed process when nobody holds it
    STORE/NAME/.old-<version>   a version on its way out

The locks are the operating system's (flock) and end with the process, however it ends. POSIX only, on a file
system that knows flock.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from naru.errors import NaruError


class Lease:
    """The exclusive right to a folder, until released or until the process ends."""

    def __init__(self, folder: Path, file: int) -> None:
        self.folder = folder
        self.file = file

    @classmethod
    def take(cls, folder: Path) -> Self | None:
        """None when another lease is out, or the folder is gone."""
        path = folder / "holder"
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except (FileNotFoundError, NotADirectoryError):
            return None
        if not _lock(file, path, wait=False):
            os.close(file)
            return None
        os.truncate(file, 0)
        os.pwrite(file, json.dumps({"pid": os.getpid(), "command": sys.argv[:2]}).encode(), 0)
        return cls(folder, file)

    def release(self) -> None:
        if self.file >= 0:
            # Unlocked by name, not by closing: a forked child may still have the file open.
            fcntl.flock(self.file, fcntl.LOCK_UN)
            os.close(self.file)
            self.file = -1


def holder(folder: Path) -> str:
    """Who holds the folder, in words: the process as it wrote itself down when it took the lease."""
    try:
        said = json.loads((folder / "holder").read_text("utf-8"))
        who = f"process {said['pid']}"
        return (
            f"{who} ({' '.join(said['command'])})" if said["pid"] != os.getpid() else f"this process ({who})"
        )
    except (OSError, ValueError, KeyError):
        return "another process"


class Versions:
    """One collection's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def current(self) -> str | None:
        try:
            return (self.folder / "CURRENT").read_text("utf-8", errors="replace").strip()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def take_current(self) -> Lease | None:
        """The lease of the published version; None when nothing is published. NaruError when it is held."""
        while (version := self.current()) is not None:
            folder = self.folder / version
            lease = Lease.take(folder)
            if lease is not None:
                return lease
            if version != self.current():
                continue  # replaced while we looked
            if not folder.is_dir():
                raise NaruError(
                    f"{self.folder / 'CURRENT'} names the version {version!r}, which is not there. "
                    f"Build the collection {self.folder.name!r} again with `naru index`."
                )
            raise NaruError(
                f"The collection {self.folder.name!r} in {self.folder.parent} is held by {holder(folder)}; "
                "one process at a time can have it open. Stop that process or close what it opened; "
                "if it is `naru serve`, ask it over HTTP at the URL that it printed: `naru search QUERY --service URL`; "
                "processes can share a Qdrant server instead."
            )
        return None

    def start(self) -> Lease:
        """A new build folder, leased. Removes what killed builds left."""
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
        with self._changing():
            self._sweep()
            folder = self.folder / f".build-{stamp}-{secrets.token_hex(3)}"
            folder.mkdir()
            lease = Lease.take(folder)
        if lease is None:
            raise AssertionError(f"this is a bug: nobody else can know {folder}")
        return lease

    def publish(self, lease: Lease) -> None:
        """Make a finished build the current version, in one step, and remove versions nobody holds."""
        version = lease.folder.name.removeprefix(".build-")
        sync(lease.folder)
        with self._changing():
            lease.folder.rename(self.folder / version)
            _sync_one(self.folder)
            lease.release()
            swap = self.folder / ".CURRENT"
            swap.write_text(version + "\n", "utf-8")
            _sync_one(swap)
            swap.replace(self.folder / "CURRENT")
            _sync_one(self.folder)
            self._sweep()

    def relevance(self) -> str | None:
        try:
            return (self.folder / "relevance.json").read_text("utf-8", errors="replace")
        except FileNotFoundError:
            return None

    def calibration(self) -> str | None:
        """When the calibration was kept, in nanoseconds, as a word that tells it from others."""
        try:
            return str((self.folder / "relevance.json").stat().st_mtime_ns)
        except FileNotFoundError:
            return None

    def keep_relevance(self, text: str) -> None:
        """NaruError where nothing is published any more: a later collection of that name would inherit it."""
        with self._changing():
            if self.current() is None:
                raise NaruError(
                    f"The collection {self.folder.name!r} in {self.folder.parent} was deleted meanwhile; its "
                    "calibration is not kept."
                )
            swap = self.folder / ".relevance.json"
            swap.write_text(text, "utf-8")
            _sync_one(swap)
            swap.replace(self.folder / "relevance.json")
            _sync_one(self.folder)

    def withdraw(self) -> None:
        """Nothing is published any more; versions go when nobody holds them."""
        with self._changing():
            (self.folder / "CURRENT").unlink(missing_ok=True)
            (self.folder / "relevance.json").unlink(missing_ok=True)
            _sync_one(self.folder)
            self._sweep()

    def sweep(self) -> None:
        """Remove every folder that is neither current nor held."""
        if self.folder.is_dir():
            with self._changing():
                self._sweep()

    def _sweep(self) -> None:
        current = self.current()
        for folder in list(self.folder.iterdir()):
            if not folder.is_dir() or folder.name == current:
                continue
            lease = Lease.take(folder)
            if lease is None:
                continue
            hidden = self.folder / f".old-{folder.name.lstrip('.')}"
            shutil.rmtree(folder.rename(hidden))
            lease.release()

    @contextmanager
    def _changing(self) -> Iterator[None]:
        path = self.folder / ".lock"
        while True:
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            except FileNotFoundError:
                continue  # the folder was removed between the two steps
            if _lock(file, path, wait=True):
                break
            os.close(file)
        try:
            yield
            if [left.name for left in self.folder.iterdir()] == [".lock"]:
                path.unlink()
                self.folder.rmdir()
        finally:
            os.close(file)


def _lock(file: int, path: Path, wait: bool) -> bool:
    """Whether the file is locked now, and is still the file at that path."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        return os.fstat(file).st_ino == path.stat().st_ino
    except (BlockingIOError, FileNotFoundError):
        return False


def sync(folder: Path) -> None:
    """Everything below the folder is on the disk, not only on its way there."""
    for path, _, files in os.walk(folder):
        for file in files:
            _sync_one(Path(path) / file)
        _sync_one(Path(path))


def _sync_one(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)

"""The files of rows: gone with their process, or with the next one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SPOOL = """
import sys, time
import pyarrow as pa
from finetune.rows.spool import opened, stored
path = stored([{"text": "가"}, {"text": "나"}], pa.schema({"text": pa.string()}))
print(opened(path)["text"].to_pylist(), path, flush=True)
if "stay" in sys.argv:
    time.sleep(600)
"""


@contextmanager
def spool(folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process that spools two rows, and the file they lie in."""
    process = subprocess.Popen(
        [sys.executable, "-c", SPOOL, *arguments],
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        rows, _, path = process.stdout.readline().strip().rpartition(" ")
        assert rows == "['가', '나']"
        yield process, Path(path)
        process.kill()


def test_rows_go_with_their_process(tmp_path: Path) -> None:
    with spool(tmp_path) as (process, _):
        assert process.wait(60) == 0
    assert list(tmp_path.iterdir()) == []


def test_the_next_process_removes_what_a_killed_one_left_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "naru-rows-other").mkdir()  # no lock: not of this kind
    with spool(tmp_path, "stay") as (alive, kept), spool(tmp_path, "stay") as (killed, left):
        killed.kill()
        killed.wait(60)
        for folder in (kept.parent, left.parent):
            os.utime(folder / "lock", (time.time() - 3600,) * 2)
        assert left.exists()
        with spool(tmp_path) as (next_one, _):
            assert next_one.wait(60) == 0
        assert sorted(tmp_path.iterdir()) == sorted([kept.parent, tmp_path / "naru-rows-other"])
        assert alive.poll() is None

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from naru.files import publish, replacing


def test_a_file_appears_whole_or_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "run.trec"
    with replacing(path) as file:
        file.write("하나\r\n")
        assert not path.exists()
    assert path.read_bytes() == "하나\r\n".encode()
    with pytest.raises(TypeError), replacing(path) as file:
        file.writelines(["half of it", None])  # type: ignore[list-item]
    assert path.read_bytes() == "하나\r\n".encode()
    publish(path, b"\x89PNG")
    publish(tmp_path / "text", "둘")
    assert (path.read_bytes(), (tmp_path / "text").read_text("utf-8")) == (b"\x89PNG", "둘")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["run.trec", "text"]


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "run.trec"
    path.write_text("before", "utf-8")
    script = (
        "import sys; from pathlib import Path; from naru.files import publish\n"
        "try: publish(Path(sys.argv[1]), b'x' * 100_000)\n"
        "except OSError as error: print(error.strerror)"
    )

    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    done = subprocess.run(
        [sys.executable, "-B", "-c", script, str(path)],
        preexec_fn=small,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "File too large" in done.stdout, done
    assert path.read_text("utf-8") == "before"
    assert [one.name for one in tmp_path.iterdir()] == ["run.trec"]

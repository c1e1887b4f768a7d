"""What a stranger gets: the wheel, in a fresh environment, in another folder, without torch."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts folder of a fresh environment that holds the wheel and what it needs."""
    folder = tmp_path_factory.mktemp("installed")
    wheels = folder / "wheels"
    subprocess.run([sys.executable, "-m", "build", "--wheel", "--outdir", str(wheels), str(ROOT)], check=True)
    venv.create(folder / "venv", with_pip=True)
    scripts = folder / "venv" / "bin"
    wheel = next(wheels.glob("*.whl"))
    constraints = ["--constraint", str(ROOT / "constraints.txt")]
    subprocess.run(
        [scripts / "python", "-m", "pip", "install", "--quiet", *constraints, str(wheel)], check=True
    )
    return scripts


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("NARU__") or name == "PYTHONPATH"]:
        monkeypatch.delenv(name)
    return tmp_path


@pytest.fixture
def demo(installed: Path, elsewhere: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [installed / "naru", "demo", "--port", "0"], cwd=elsewhere, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)
        assert process.stdout is not None
        process.stdout.close()


def test_the_wheel_brings_no_torch(installed: Path) -> None:
    listed = subprocess.run(
        [installed / "python", "-m", "pip", "list"], check=True, capture_output=True, text=True
    ).stdout
    assert "naru-search" in listed
    assert not re.search(r"^(torch|transformers|sentence-transformers|nvidia\S*)\s", listed, re.MULTILINE)


def test_the_demo_searches_and_serves_its_page(demo: subprocess.Popen[str]) -> None:
    assert demo.stdout is not None
    printed, url = [], ""
    for line in demo.stdout:
        printed.append(line)
        if (found := re.search(r"http://\S+", line)) is not None:
            url = found.group()
            break
    text = "".join(printed)
    assert "현금영수증 신청" in text
    assert len(re.findall(r"^ *1\. ", text, re.MULTILINE)) == 3
    page = httpx.get(url)
    assert page.status_code == 200
    assert "<title>" in page.text
    answer = httpx.post(f"{url}/v1/search", json={"query": "카드 분실 신고 전화번호"}, timeout=30).json()
    assert answer["hits"][0]["id"] == "card-001"


def test_the_demo_can_stop_after_the_searches(installed: Path, elsewhere: Path) -> None:
    done = subprocess.run(
        [installed / "naru", "demo"],
        cwd=elsewhere,
        env={**os.environ, "DEMO_SERVE": "0"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "http://" not in done.stdout

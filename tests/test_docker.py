"""Docker cannot run here, so: whatever the compose file and the Dockerfile name exists."""

from __future__ import annotations

import fnmatch
import os
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from naru.__main__ import app
from naru.settings import Settings

ROOT = Path(__file__).parents[1]
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
OURS = {name: service for name, service in SERVICES.items() if service.get("image") == "naru"}


def commands() -> dict[str, Any]:
    return dict(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def test_every_copied_file_exists_and_is_in_the_build_context() -> None:
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = [
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
        for source in shlex.split(line)[:-1]
    ]
    assert copied
    for source in copied:
        assert (ROOT / source).exists(), source
        assert any(fnmatch.fnmatch(source, pattern) for pattern in kept), f"{source} is ignored"


def test_the_wheel_stage_has_every_package_and_file_the_build_reads() -> None:
    configuration = (ROOT / "pyproject.toml").read_text()
    packages = re.search(r"^packages = \[(.*)\]$", configuration, re.MULTILINE)
    assert packages is not None
    for name in re.findall(r'"([^"]+)"', packages[1]) + ["README.md", "LICENSE", "NOTICE"]:
        assert re.search(rf"^COPY .*\b{re.escape(name)}\b", DOCKERFILE, re.MULTILINE), name


@pytest.mark.parametrize("name", OURS)
def test_commands_and_their_options_exist(name: str) -> None:
    default = re.search(r'^CMD \["(\w+)"\]$', DOCKERFILE, re.MULTILINE)
    assert default is not None
    command, *options = OURS[name].get("command", [default[1]])
    assert command in commands()
    known = {
        option
        for parameter in commands()[command].params
        for option in (*parameter.opts, *parameter.secondary_opts)
    }
    assert set(options) <= known


def test_environment_variables_are_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    named = dict(re.findall(r"^ENV (NARU__\w+)=(\S+)$", DOCKERFILE, re.MULTILINE))
    for service in OURS.values():
        named |= service.get("environment", {})
    assert {"NARU__STORE__LOCATION", "NARU__SERVICE__HOST"} <= set(named)
    monkeypatch.chdir(tmp_path)
    for name, value in named.items():
        monkeypatch.setenv(name, value)
    settings = Settings().model_dump()
    for name, value in named.items():
        section, field = name.removeprefix("NARU__").lower().split("__")
        read = settings[section][field]
        assert read == type(read)(value)


def test_the_health_check_and_the_ports_are_those_of_the_service() -> None:
    checked = re.search(r"http://127\.0\.0\.1:(\d+)(/\w+)", DOCKERFILE)
    assert checked is not None
    port = int(checked[1])
    assert port == Settings().service.port == int(re.findall(r"^EXPOSE (\d+)$", DOCKERFILE, re.MULTILINE)[0])
    assert OURS["naru"]["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert f'"{checked[2]}"' in "".join(path.read_text() for path in (ROOT / "search").glob("*.py"))


def test_services_that_are_waited_for_and_volumes_exist() -> None:
    for service in SERVICES.values():
        assert set(service.get("depends_on", {})) <= set(SERVICES)
        for volume in service.get("volumes", []):
            assert (
                volume.split(":")[0] in yaml.safe_load((ROOT / "docker-compose.yml").read_text())["volumes"]
            )


def test_nothing_runs_as_root_and_no_torch_is_installed() -> None:
    assert re.findall(r"^USER (\w+)$", DOCKERFILE, re.MULTILINE) == ["naru"]
    assert "torch" not in re.sub(r"^#.*$", "", DOCKERFILE, flags=re.MULTILINE)
    assert "[" not in re.findall(r"/wheels/\*\.whl(\S*)", DOCKERFILE)[0]


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("NARU__")]:
        monkeypatch.delenv(name)

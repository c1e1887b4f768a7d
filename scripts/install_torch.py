"""Install torch as this machine can use it: the CPU build where there is no NVIDIA GPU.

    python scripts/install_torch.py --constraint constraints.txt

On Linux the ordinary torch wheel brings gigabytes of CUDA libraries. So pip is asked first what it would
install; where that includes them and no GPU is present, torch comes from PyTorch's own CPU index instead.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
PIP = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]


def pinned(constraints: Path) -> str:
    """The line of the constraints file that pins torch."""
    for line in constraints.read_text(encoding="utf-8").splitlines():
        if line.startswith("torch=="):
            return line
    raise SystemExit(f"{constraints}: expected a line torch==VERSION")


def brings_cuda(requirement: str) -> bool:
    """Whether pip, left alone, would install CUDA libraries for this requirement."""
    report = subprocess.run(
        [*PIP, "--dry-run", "--report", "-", requirement], check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    names = [part["metadata"]["name"].lower() for part in json.loads(report)["install"]]
    return any(name.startswith(("nvidia-", "cuda-")) for name in names)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--constraint", type=Path, required=True)
    requirement = pinned(parser.parse_args().constraint)
    if find_spec("torch") is not None:
        return
    source = []
    if shutil.which("nvidia-smi") is None and brings_cuda(requirement):
        source = ["--index-url", CPU_INDEX]
    subprocess.run([*PIP, *source, requirement], check=True)


if __name__ == "__main__":
    main()

# Everything a fresh clone needs, in .venv. `make demo` needs no torch; `make test` installs all extras.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: setup demo test test-slow test-server lint bench browser clean

setup: .venv/.all

demo: .venv/.base
	$(BIN)/naru demo

test: .venv/.all
	$(BIN)/python -m pytest -m "not slow and not server"

test-slow: .venv/.all
	$(BIN)/python -m pytest -m slow

# Against a real Qdrant: NARU_TEST_QDRANT_URL=http://localhost:6333 make test-server
test-server: .venv/.all
	$(BIN)/python -m pytest -m server

lint: .venv/.all
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/.all
	$(BIN)/python -m benchmarks

# The browser that tests/search/test_page.py drives; without it those tests skip and say so.
browser:
	apt-get install -y --no-install-recommends chromium chromium-driver fonts-noto-cjk

clean:
	rm -rf .venv build dist naru-data .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else "naru needs Python 3.11 to 3.13: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv

.venv/.base: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) --editable .
	touch $@

.venv/.all: pyproject.toml constraints.txt scripts/install_torch.py | .venv/bin/python
	$(BIN)/python scripts/install_torch.py --constraint constraints.txt
	$(PIP) --editable ".[all,dev]"
	touch $@ .venv/.base

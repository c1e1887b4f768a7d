"""The packages that measuring needs and searching does not: the extra `evaluation`."""

from __future__ import annotations

from importlib.util import find_spec

from naru.errors import missing_extra

_DISTRIBUTIONS = {"sklearn": "scikit-learn", "scipy": "scipy", "ir_measures": "ir-measures"}


def needed(*modules: str) -> None:
    """NaruError that says what to install where one of the modules is not there."""
    missing = [_DISTRIBUTIONS[module] for module in modules if find_spec(module) is None]
    if missing:
        raise missing_extra(f"This needs {' and '.join(missing)}", "evaluation")

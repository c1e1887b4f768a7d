"""The packages that measuring needs and searching does not: the extra `evaluation`."""

from __future__ import annotations

from importlib.util import find_spec

from naru.errors import NaruError

_DISTRIBUTIONS = {"sklearn": "scikit-learn", "scipy": "scipy", "ir_measures": "ir-measures"}


def needed(*modules: str) -> None:
    """NaruError that says what to install where one of the modules is not there."""
    missing = [_DISTRIBUTIONS[module] for module in modules if find_spec(module) is None]
    if missing:
        raise NaruError(
            f"This needs {' and '.join(missing)}: pip install '.[evaluation]' in the folder of naru, or make setup."
        )

"""`python -m finetune RECIPE --output RUN`, also under `accelerate launch -m`: `naru train` by itself."""

from __future__ import annotations

import sys

from finetune.command import run
from naru import terminal
from naru.errors import NaruError


def main() -> None:
    """Status 0 done, 1 failed, 2 wrong use, 130 interrupted."""
    try:
        run("train", sys.argv[1:], "python -m finetune")
    except NaruError as error:
        terminal.error(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        terminal.error("interrupted; what was saved last is whole: --resume goes on from there")
        sys.exit(130)


if __name__ == "__main__":
    main()

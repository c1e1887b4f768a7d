"""`python -m finetune RECIPE --data DIR --start DIR --output DIR`: run a training recipe."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from naru.errors import NaruError


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m finetune", description="Train an encoder by a recipe.")
    parser.add_argument("recipe", help="a TOML file, or the name of a shipped recipe (naru-mini)")
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with train/ and what the recipe watches"
    )
    parser.add_argument(
        "--start", type=Path, required=True, help="model folder whose body training starts from"
    )
    parser.add_argument(
        "--output", type=Path, required=True, help="folder for checkpoints, latest/ and final/"
    )
    parser.add_argument("--max-minutes", type=float, help="stop (resumably) when this time is over")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint in --output")
    options = parser.parse_args()
    from finetune.recipe import load
    from finetune.train import train

    try:
        outcome = train(
            load(options.recipe),
            options.data,
            options.start,
            options.output,
            max_minutes=options.max_minutes,
            resume=options.resume,
        )
    except NaruError as error:
        print(f"finetune: {error}", file=sys.stderr)
        return 1
    print(f"{outcome.model}: {outcome.steps} of {outcome.planned} steps")
    for name, value in outcome.after.items():
        print(f"  {name:24} {outcome.before.get(name, float('nan')):.3f} -> {value:.3f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

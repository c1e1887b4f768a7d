"""The `naru` command: which commands there are (`naru/commands/`), and how it ends.

Exit status: 0 done, 1 failed, 2 wrong use.
"""

from __future__ import annotations

import io
import signal
import sys
from typing import Annotated

import typer

from naru import __version__, terminal
from naru.commands.calibrating import calibrate
from naru.commands.collections import collections, delete
from naru.commands.demo import demo
from naru.commands.encoders import HANDED_ON, export, mine, train
from naru.commands.evaluating import compare, evaluate, pairs
from naru.commands.indexing import index
from naru.commands.judging import judgements
from naru.commands.searching import search
from naru.commands.serving import serve
from naru.errors import NaruError, Stopped

app = typer.Typer(
    name="naru",
    help="Korean semantic search that knows when it has no answer.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (
    demo,
    index,
    search,
    serve,
    collections,
    delete,
    judgements,
    calibrate,
    evaluate,
    compare,
    pairs,
    export,
):
    app.command()(command)
for handed_on in (train, mine):  # what is typed after these goes to finetune as it is, --help too
    app.command(context_settings=HANDED_ON, add_help_option=False)(handed_on)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"naru {__version__}")
        raise typer.Exit


@app.callback()
def _front_door(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


_INTERRUPTED = "interrupted; nothing half-done was published"
TERMINATED = 128 + signal.SIGTERM


def _terminated(*_: object) -> None:
    """As on Ctrl-C, what is half-done is cleaned up on the way out."""
    raise SystemExit(TERMINATED)


def main() -> None:
    """Run the command line; what a user can mend is one line on standard error and status 1."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal may not know all of Unicode
    signal.signal(signal.SIGTERM, _terminated)
    try:
        app()
    except NaruError as error:
        terminal.error(str(error))
        sys.exit(1)
    except OSError as error:  # a full disk, a folder that is not ours
        terminal.error(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        terminal.error(_INTERRUPTED)
        sys.exit(130)
    except Stopped:  # the command has said all there is to say
        raise
    except SystemExit as ended:
        if ended.code in (130, TERMINATED):  # 130 is what typer makes of Ctrl-C
            terminal.error(_INTERRUPTED)
        raise


if __name__ == "__main__":
    main()

"""The command line: `vsreid`, or `python -m vsreid_lite`. Bad input: one line, exit code 2. Ctrl-C: exit code 1."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import warnings
from pathlib import Path

from vsreid_lite.commands.errors import explain
from vsreid_lite.commands.parser import build_parser
from vsreid_lite.system.files import PACKAGE
from vsreid_lite.system.workers import stopped_like_interrupted, uninterrupted


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return the exit code: 0, 1 for an interrupted run, 2 for bad input."""
    _print_any_name()
    try:
        with uninterrupted():
            parser = build_parser()
        options = parser.parse_args(arguments)
        with warnings.catch_warnings(), stopped_like_interrupted():
            warnings.showwarning = _print_warning
            options.command(options)
            print(end="", flush=True)
            return 0
    except (KeyboardInterrupt, Exception) as error:
        verdict = explain(error)
        if verdict is None:
            raise
    code, text = verdict  # said when the error is gone, and with it the progress bars that it cut short
    _drop_unwritten()
    if text:
        print(f"vsreid: {text}", file=sys.stderr)
    return code


def _print_any_name() -> None:
    """A file name with bytes or letters that the terminal does not know is printed as well as it can be."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            utf8 = stream.encoding.lower().replace("-", "") == "utf8"
            stream.reconfigure(errors="surrogateescape" if utf8 else "backslashreplace")


def _drop_unwritten() -> None:
    """Standard output that cannot be written is given up, or Python would complain of it once more at its end."""
    try:
        print(end="", flush=True)
    except OSError:
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: object, **__: object
) -> None:
    """Our own warnings as one line each; those of libraries stay silent on the command line."""
    if category is UserWarning and Path(filename).is_relative_to(PACKAGE):
        print(f"vsreid: warning: {message}", file=sys.stderr)

"""The command line in a process of its own."""

from __future__ import annotations

from pathlib import Path

__all__ = ["run_command"]


def run_command(file: str) -> None:
    """Run the command line with the arguments in a file, one a line.

    If it fails, a file ``failed`` appears beside it, which is what R waits for.
    """
    from .. import cli

    code = 1
    try:
        code = cli.main(Path(file).read_text(encoding="utf-8").split("\n"))
    finally:
        failed = Path(file).with_name("failed")
        if code and failed.parent.is_dir():
            failed.touch()

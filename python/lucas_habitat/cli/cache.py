"""What is kept on disk: ``cache``."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

import lucas_habitat as lh

from .options import Command
from .tables import print_lines

__all__ = ["COMMANDS"]


def _cache_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "action", choices=("info", "clear"), help="LUCAS_HABITAT_CACHE_GB limits its size"
    )


def _cache(options: Namespace) -> int:
    from ..cache import describe_cache

    if options.action == "clear":
        print(f"{lh.clear_cache():.1f} MB deleted")
        return 0
    print_lines(describe_cache(lh.cache_info()))
    return 0


COMMANDS = (
    Command(
        "cache",
        "tell what is kept on disk, or delete it",
        _cache_options,
        _cache,
        ("cache_info", "clear_cache"),
    ),
)

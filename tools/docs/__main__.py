"""Builds the site of documentation, without network: python -m tools.docs, or make docs.

    python -m tools.docs                    into site/
    python -m tools.docs --out FOLDER       into another folder
    python -m tools.docs --no-run           without running code blocks: quick, and without outputs
    python -m tools.docs --only PAGE ...    runs the blocks of these pages of docs/ alone, and builds no site

Run it from the repository's root. It needs the extra docs, and R with evaluate (which knitr brings) and
jsonlite.
What blocks gave is kept in build/docs until the page or the package changes.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from .blocks import PageError
from .runner import BlockError

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: Sequence[str] | None = None) -> int:
    about, _, usage = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        "python -m tools.docs", description=about, epilog=usage,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument(
        "--out", default=str(ROOT / "site"), help="where the site goes; default: site"
    )
    parser.add_argument("--no-run", action="store_true", help="do not run code blocks")
    parser.add_argument(
        "--only", nargs="+", metavar="PAGE", help="run the blocks of these pages alone"
    )
    options = parser.parse_args(arguments)
    if shutil.which("Rscript") is None:
        parser.exit(1, "There is no R here, which runs its blocks and tells its help.\n")
    from .build import build, run_pages

    try:
        if options.only:
            run_pages(ROOT, options.only)
        else:
            build(ROOT, Path(options.out).resolve(), is_run=not options.no_run)
    except (BlockError, PageError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

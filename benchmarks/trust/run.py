"""All simulations behind docs/trust.md: python benchmarks/trust/run.py [--quick | --texts] [PART ...].

Runs two parts at a time and writes their tables, and the texts of docs/trust/, between the markers of
docs/trust.md. What fails its claim stays in the table.
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "trust.md"
TEXTS = PAGE.with_suffix("")
NOT_PARTS = ("common", "run")


def parts() -> list[str]:
    """The simulations by name."""
    return sorted(p.stem for p in HERE.glob("*.py") if p.stem not in NOT_PARTS)


def run_part(name: str, quick: bool) -> tuple[str, float]:
    """A part's tables as Markdown, and the seconds of processor time that they took."""
    sys.path.insert(0, str(HERE))
    start = time.process_time()
    tables = importlib.import_module(name).tables(quick)
    return "\n".join(t.markdown() for t in tables), time.process_time() - start


def write(name: str, text: str) -> None:
    """Put what stands between the markers of a name in place of what stood there."""
    page = PAGE.read_text(encoding="utf-8")
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    if begin not in page:
        raise SystemExit(f"{PAGE} has no place for {name}: add {begin} and {end}.")
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    page = pattern.sub(lambda _: f"{begin}\n\n{text}\n{end}", page)
    PAGE.write_text(page, encoding="utf-8")


def join_texts() -> None:
    """Put the texts of docs/trust/ in their places, under the page's own headings."""
    for file in sorted(TEXTS.glob("*.md")):
        text = re.sub(r"\A#+ .*\n", "", file.read_text(encoding="utf-8").strip()).strip()
        write(f"text {file.stem}", text + "\n")


def main() -> None:
    """Run the parts named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", nargs="*", choices=[[], *parts()], default=[])
    parser.add_argument("--quick", action="store_true", help="a small cut; writes nothing")
    parser.add_argument("--texts", action="store_true", help="only join the texts; runs nothing")
    options = parser.parse_args()
    if not options.quick:
        join_texts()
    if options.texts:
        return
    # Each part is one process on one core.
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
    names = options.part or parts()
    with ProcessPoolExecutor(2) as pool:
        runs = {name: pool.submit(run_part, name, options.quick) for name in names}
        for name, run in runs.items():
            text, seconds = run.result()
            print(f"{name}: {seconds:.0f} seconds of processor time", flush=True)
            if options.quick:
                print(text)
            else:
                write(name, text)


if __name__ == "__main__":
    main()

"""Runs a page's Python blocks, one after another in one session: session.py BLOCKS.json RESULTS.json."""

import ast
import json
import os
import sys
import traceback
import warnings
from pathlib import Path


def main(blocks, results):
    blocks = json.loads(Path(blocks).read_text(encoding="utf-8"))
    done = []
    names = {"__name__": "__main__"}
    sys.stdout.reconfigure(line_buffering=True)
    warnings.formatwarning = lambda message, category, *_: f"{category.__name__}: {message}\n"
    for number, block in enumerate(blocks):
        text = Path(results).with_name(f"python-{number}.txt")
        with text.open("w", encoding="utf-8") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
            is_failed = not run(block["code"], names, number)
            sys.stdout.flush()
            sys.stderr.flush()
        done.append({"text": text.read_text(encoding="utf-8"), "failed": is_failed})
        if is_failed and not block["error"]:
            break
    Path(results).write_text(json.dumps(done), encoding="utf-8")


def run(code, names, number):
    """Run one block and show the value of its last line; false where it failed."""
    try:
        tree = ast.parse(code)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, "<page>", "exec"), names)
        if last is not None:
            show(eval(compile(ast.Expression(last.value), "<page>", "eval"), names), number)
        draw_open_figures(number)
    except Exception as error:
        print("".join(traceback.format_exception_only(error)).strip())
        return False
    return True


def show(value, number):
    if value is None:
        return
    if "pandas" in sys.modules:
        import pandas as pd

        pd.set_option("display.width", 88, "display.max_rows", 12, "display.max_columns", 20)
    if type(value).__name__ == "Figure" and hasattr(value, "savefig"):
        value.savefig(f"figure-{number:02d}.png", dpi=100)
        import matplotlib.pyplot as plt

        plt.close(value)
    else:
        print(repr(value))


def draw_open_figures(number):
    if "matplotlib.pyplot" not in sys.modules:
        return
    import matplotlib.pyplot as plt

    for n in plt.get_fignums():
        plt.figure(n).savefig(f"figure-{number:02d}-{n}.png", dpi=100)
    plt.close("all")


if __name__ == "__main__":
    main(*sys.argv[1:])

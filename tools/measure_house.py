"""Measure how the core is laid out: python tools/measure_house.py [TREE ...].

Numbers to compare two checkouts by, none of them a goal: modules at the package's root, functions
over 80 lines with and without their docstrings, circles of imports, variables that say nothing,
bare private functions, and the places that say the same of an argument or a function's name.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

_LONG = 80
_SAY_NOTHING = ("found", "known", "seen", "kept", "said")


def modules(tree: Path) -> dict[str, Path]:
    """The core's modules by their dotted names below the package."""
    root = tree / "python" / "lucas_habitat"
    names = {}
    for path in sorted(root.rglob("*.py")):
        name = ".".join(path.relative_to(root).with_suffix("").parts)
        names[name.removesuffix(".__init__")] = path
    return names


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.ClassDef]:
    """All functions, methods and classes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node


def body_lines(node: ast.FunctionDef | ast.ClassDef) -> int:
    """Lines without the docstring."""
    first = node.body[0]
    lines = node.end_lineno - node.lineno + 1
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        lines -= first.end_lineno - first.lineno + 1
    return lines


def imports(name: str, path: Path, tree: ast.Module, names: set[str]) -> set[str]:
    """The core's modules that a module imports, at its top or within its functions."""
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    package = [part for part in package if part != "__init__"]
    targets = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        base = package[: len(package) - node.level + 1]
        base += node.module.split(".") if node.module else []
        for alias in node.names:
            for target in (".".join([*base, alias.name]), ".".join(base)):
                if target in names and target != name:
                    targets.add(target)
                    break
    return targets


def run_code(tree: ast.Module) -> ast.Module:
    """A module without what only type checkers read."""
    nodes = [
        node
        for node in tree.body
        if not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test))
    ]
    return ast.Module(nodes, tree.type_ignores)


def import_graph(tree: Path) -> dict[str, set[str]]:
    """Which of the core's modules each imports."""
    paths = modules(tree)
    return {
        name: imports(name, path, run_code(ast.parse(path.read_text(encoding="utf-8"))), set(paths))
        for name, path in paths.items()
    }


def circles(graph: dict[str, set[str]]) -> list[set[str]]:
    """Groups of modules that import one another, by Tarjan's algorithm."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    groups: list[set[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph[node]:
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            group = set()
            while node not in group:
                group.add(stack.pop())
            if len(group) > 1:
                groups.append(group)

    for node in graph:
        if node not in index:
            visit(node)
    return groups


def count(tree: Path, pattern: str, *globs: str) -> int:
    """How often a pattern stands in some files."""
    files = [f for g in globs for f in tree.glob(g)]
    return sum(len(re.findall(pattern, f.read_text(encoding="utf-8"))) for f in files)


def measure(tree: Path) -> dict[str, object]:
    """All numbers of one checkout."""
    paths = modules(tree)
    parsed = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in paths.items()}
    nodes = [(name, node) for name, module in parsed.items() for node in functions(module)]
    named = [n for _, n in nodes if isinstance(n, ast.FunctionDef)]
    core = "python/lucas_habitat/**/*.py"
    stored = [
        node.id
        for module in parsed.values()
        for node in ast.walk(module)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    ]
    return {
        "modules at the root": sum("." not in name for name in paths) - 1,
        "modules in all": len(paths),
        "largest module, lines": max(len(p.read_text().splitlines()) for p in paths.values()),
        "functions over 80 lines": sum(n.end_lineno - n.lineno + 1 > _LONG for n in named),
        "... without docstrings": sum(body_lines(n) > _LONG for n in named),
        "classes over 200 lines": sum(
            body_lines(n) > 200 for _, n in nodes if isinstance(n, ast.ClassDef)
        ),
        "private functions of 20 lines without a sentence": sum(
            n.name.startswith("_")
            and not n.name.startswith("__")
            and body_lines(n) >= 20
            and ast.get_docstring(n) is None
            for n in named
        ),
        "circles of imports": len(circles(import_graph(tree))),
        "assignments to found": stored.count("found"),
        "... to known, seen, kept, said": sum(stored.count(n) for n in _SAY_NOTHING[1:]),
        "isinstance(..., DataFrame) with a path beside": count(
            tree,
            r"isinstance\([^)]*DataFrame\)[^\n]*else|not isinstance\([^)]*pd\.DataFrame\)",
            core,
        ),
        "isinstance(..., HabitatModel)": count(tree, r"isinstance\([^)]*HabitatModel\)", core),
        "places that ask for calibrated": count(
            tree, r"\[\"calibrated\"\]\.(?:isin|all|astype)", core
        ),
        "calls of rng.multinomial": count(tree, r"\.multinomial\(", core),
        "CRS transformers made": count(tree, r"Transformer\.from_crs\(", core),
        "regular expressions over messages in R": count(tree, r"gsub\(", "R/conditions.R"),
    }


def main() -> None:
    """Print a table with a column a tree."""
    trees = [Path(t) for t in sys.argv[1:]] or [Path(__file__).parents[1]]
    tables = [measure(tree) for tree in trees]
    for key in tables[0]:
        print(f"{key:<50}", *(f"{table[key]!s:>8}" for table in tables))


if __name__ == "__main__":
    main()

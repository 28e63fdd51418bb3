"""How measured tables come into a page of docs: as Markdown, between the marks of their name."""

from pathlib import Path

import pandas as pd

DOCS = Path(__file__).parents[1] / "docs"


def as_markdown(table: pd.DataFrame) -> str:
    """A table as Markdown, values as they are."""
    rows = [table.columns, ["---"] * table.shape[1], *table.astype(str).to_numpy()]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def put(page: str, name: str, text: str) -> None:
    """Put a text into a page of docs, between ``<!-- name...`` and ``<!-- end of name -->``."""
    file = DOCS / page
    whole = file.read_text(encoding="utf-8")
    head, start, rest = whole.partition(f"<!-- {name}")
    mark, _, rest = rest.partition("\n")
    _, end, tail = rest.partition(f"<!-- end of {name} -->")
    if not end:
        raise SystemExit(f"{file} has no marks of {name}.")
    file.write_text(f"{head}{start}{mark}\n\n{text}\n\n{end}{tail}", encoding="utf-8")

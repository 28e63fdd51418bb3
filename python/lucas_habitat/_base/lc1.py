"""LUCAS land cover codes: which there are, and what stands above each."""

from __future__ import annotations

from functools import cache
from importlib import resources

import pandas as pd

__all__ = ["LC1_LEVELS", "LEGACY_LC1", "group_of", "known_codes", "shipped_table"]

#: Of the nomenclature, coarsest first: letters, groups, codes.
LC1_LEVELS = ("level1", "level2", "level3")

# Codes of the 2006-2012 campaigns that the current nomenclature no longer has.
LEGACY_LC1 = frozenset(
    [
        "C11",
        "C12",
        "C13",
        "C20",
        "C30",
        "D01",
        "D02",
        "E01",
        "E02",
        "F00",
        "G01",
        "G02",
        "G03",
        "G05",
        "G10",
        "G20",
    ]
)


def shipped_table(name: str) -> pd.DataFrame:
    """A table of codes that comes with the package, as text."""
    with resources.files("lucas_habitat").joinpath("data", name).open("rb") as file:
        return pd.read_csv(file, dtype="str")


@cache
def known_codes() -> frozenset[str]:
    """All codes of the nomenclature, their groups and first letters, and those of older campaigns."""
    table = shipped_table("lc1_codes.csv")
    return LEGACY_LC1.union(table["code"], table["level1"], table["level2"].dropna())


def group_of(code: str, level: str) -> str:
    """What stands above a known code at ``level1``, ``level2`` or ``level3``."""
    if level == "level1" or len(code) == 1:
        return code[0]
    # BX1 and BX2 break the rule that a group is two characters and a zero.
    return code if level == "level3" or code.startswith("BX") else code[:2] + "0"

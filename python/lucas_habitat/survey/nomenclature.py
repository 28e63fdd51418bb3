"""LUCAS land cover codes (LC1), and schemes that turn them into habitat classes."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from .._base import words
from .._base.lc1 import LC1_LEVELS, group_of, known_codes, shipped_table
from .._base.signatures import checked
from .._base.tables import as_frame, read_table, require_columns, with_column
from .._base.tree import level_columns, levels_of
from .._base.types import Column, Scheme, Table
from ..errors import InputError, inform, some, warn

__all__ = ["assign_habitat", "eunis_scheme", "lc1_codes", "pilot_scheme"]


@checked
def lc1_codes() -> pd.DataFrame:
    """The 76 land cover codes of LUCAS 2018.

    Returns
    -------
    pandas.DataFrame
        ``code``, ``label``, ``level1``, ``level1_label``, ``level2``, ``level2_label`` and
        ``suggested_4class``, the pilot's class (missing where it has none).
    """
    return shipped_table("lc1_codes.csv")


@checked
def pilot_scheme() -> pd.DataFrame:
    """The pilot's four classes as a scheme: a start for a scheme of one's own.

    Level 1 decides, because it alone is stable over all campaigns: A artificial, B cropland,
    C and D woody, E grassland. F, G and H have no class, nor have ``BX1`` and ``BX2``, which
    are interpreted from aerial photos and never have ground photos.

    Returns
    -------
    pandas.DataFrame
        ``code`` and ``class``, the latter missing for codes without one.
    """
    classes = {
        "A": "artificial",
        "B": "cropland",
        "BX1": None,
        "BX2": None,
        "C": "woody",
        "D": "woody",
        "E": "grassland",
        "F": None,
        "G": None,
        "H": None,
    }
    return pd.DataFrame({"code": list(classes), "class": list(classes.values())}, dtype="str")


@checked
def eunis_scheme() -> pd.DataFrame:
    """EUNIS habitats of levels 1 and 2 as a scheme, as far as land cover codes tell them.

    Returns
    -------
    pandas.DataFrame
        One row a code: ``code``, ``label`` (of LUCAS), ``class`` (the EUNIS habitat of level 2, or of
        level 1 where the code tells no more; missing where it tells neither), ``level1``, ``name`` (of
        the habitat) and ``note`` (what the code leaves open, and where exceptions belong).

    Notes
    -----
    This is no official crosswalk, and none from LUCAS to EUNIS was found to ship. It compares the
    classes of LUCAS 2018 with EUNIS' own descriptions (European Environment Agency, EUNIS habitat
    classification 2007, revised descriptions 2012, amended 2019): a code has the habitat whose
    description holds its land but for the exceptions of the note. The codes of level 2 in notes are those
    of that version; the revision of 2021 has others.

    Of 76 codes 46 have a habitat of level 2 (28 of these are crops, I1), 14 one of level 1, and 16 none:
    temporary grassland (B55), orchards of fruit and nuts, nurseries and permanent industrial crops
    (B71 to B75, B83, B84), fallow (E30), bare land (F), inland marshes (H11), BX1 and BX2. Land cover
    says nothing of water, climate, soil and species, by which EUNIS divides grassland (E), heath and scrub
    (F), mires (D) and broadleaved woodland (G1, G2), so these stay at level 1.
    """
    return shipped_table("lc1_eunis.csv")


@checked
def assign_habitat(
    table: Table,
    scheme: Scheme = "pilot",
    *,
    column: Column = "lc1",
) -> pd.DataFrame:
    """Give every row the habitat class of its land cover code.

    A code takes the class of the most specific entry that covers it: its own (``B71``), its
    group's (``B70`` or ``B7``), its first letter's (``B``). Codes are stripped and upper-cased
    first, because releases differ (``'E20 '``, ``Bx1``).

    Parameters
    ----------
    table : pandas.DataFrame or path
        Any table with a column of LC1 codes, such as a photo table.
    scheme : {"pilot", "eunis", "level1", "level2", "level3"}, path, DataFrame or mapping, default "pilot"
        ``"pilot"`` gives `pilot_scheme`, ``"eunis"`` `eunis_scheme`; ``"level1"``, ``"level2"`` and
        ``"level3"`` use the codes of that level as classes (``A``, ``B70``, ``B71``). One's own scheme is
        a table with the columns ``code`` and ``class``, such a CSV or Parquet file, or a dict. Columns
        ``level1``, ``level2``, ... say what stands above a class, ``level1`` the coarsest.
    column : str or column, default "lc1"
        The column that holds the codes: its name, or as many values as the table has rows.

    Returns
    -------
    pandas.DataFrame
        The table with ``habitat`` (text); rows without a class keep it missing. With a scheme that has
        levels, ``habitat_level1``, ... too: `train` keeps them in the model (see `at_level`).

    Warns
    -----
    LucasMessage
        Counts the rows whose code has no class in the scheme, by code.
    LucasWarning
        Counts the rows whose code is in no LUCAS nomenclature.

    Raises
    ------
    InputError
        If the column is missing, or the scheme has no such table, repeats a code with another
        class, or gives no row a class.
    """
    given, column = with_column(table, column, "column")
    table = as_frame(given)
    require_columns(
        table,
        [column],
        words.call("assign_habitat"),
        f"Name the column of codes with {words.option('column')}.",
    )
    codes = table[column].astype("str").str.strip().str.upper()
    codes = codes.where(table[column].notna() & (codes != ""))
    lc1 = known_codes()
    present = codes.dropna().unique()
    levels = None
    if isinstance(scheme, str) and scheme in LC1_LEVELS:
        class_of: dict[str, str | None] = {
            code: group_of(code, scheme) for code in present if code in lc1
        }
    else:
        rows = _scheme_table(scheme)
        classes = _classes(rows)
        # Only a code has a group: "CROPLAND" is no woodland for its C.
        class_of = {
            code: _class_of(code, classes) if code in lc1 else classes.get(code) for code in present
        }
        lc1 |= set(classes)
        if level_columns(rows):
            levels = levels_of(rows, words.call("assign_habitat")).set_index("class")
    habitat = codes.map(class_of).astype("str")
    if len(table) and habitat.isna().all():
        raise InputError(
            f"No row of {len(table)} got a class: the codes in {column} are "
            f"{some(sorted(present)) or 'all empty'}. "
            "A scheme's codes must be LC1 codes, their groups (B70) or first letters (B)."
        )
    _tell_unclassed(codes, habitat, lc1, column)
    table = table.assign(habitat=habitat)
    # Those of another scheme would say what does not hold of these classes.
    table = table.drop(columns=level_columns(table, "habitat_"))
    if levels is None:
        return table
    return table.assign(
        **{f"habitat_{level}": habitat.map(levels[level]).astype("str") for level in levels}
    )


def _tell_unclassed(codes: pd.Series, habitat: pd.Series, lc1: frozenset[str], column: str) -> None:
    """Count the rows without a class, by the reason and the code."""
    is_unclassed = codes.notna() & habitat.isna()
    strange = codes[is_unclassed & ~codes.isin(lc1)]
    without_class = codes[is_unclassed & codes.isin(lc1)]
    if len(strange):
        warn(f"{len(strange)} rows have codes that no LUCAS nomenclature has: {_counts(strange)}.")
    if len(without_class):
        inform(f"{len(without_class)} rows have codes without a class: {_counts(without_class)}.")
    if codes.isna().any():
        inform(f"{int(codes.isna().sum())} rows have no code in {column}.")


def _counts(codes: pd.Series) -> str:
    return some([f"{code} ({n})" for code, n in codes.value_counts().items()], 8)


def _scheme_table(
    scheme: Scheme,
) -> pd.DataFrame:
    """A scheme as its table, with the columns code and class."""
    if isinstance(scheme, Mapping):
        scheme = pd.DataFrame(
            {"code": list(scheme), "class": list(scheme.values())}, dtype="object"
        )
    elif isinstance(scheme, str) and scheme in _SCHEMES:
        scheme = _SCHEMES[scheme]()
    elif not isinstance(scheme, pd.DataFrame):
        if not str(scheme).lower().endswith((".csv", ".parquet")):
            names = ", ".join(repr(name) for name in ("pilot", *LC1_LEVELS, "eunis"))
            raise InputError(
                f"{words.arg('scheme')} must be {names}, a table with the "
                f"columns code and class, or such a .csv or .parquet file; got {words.value(scheme)} instead."
            )
        scheme = read_table(scheme)
    scheme = as_frame(scheme)
    require_columns(scheme, ["code", "class"], "A scheme", "One row gives one code its class.")
    return scheme


def _classes(scheme: pd.DataFrame) -> dict[str, str | None]:
    """The class of each code that a scheme names, None for those that it leaves without."""
    classes: dict[str, str | None] = {}
    for code, label in zip(scheme["code"], scheme["class"], strict=True):
        key = str(code).strip().upper()
        value = None if pd.isna(label) or not str(label).strip() else str(label).strip()
        if classes.setdefault(key, value) != value:
            raise InputError(
                f"The scheme gives the code {key} both {classes[key]!r} and {value!r}."
            )
    return classes


def _class_of(code: str, classes: dict[str, str | None]) -> str | None:
    for covering in (code, code[:2] + "0", code[:2], code[0] + "00", code[0]):
        if covering in classes:
            return classes[covering]
    return None


_SCHEMES = {"pilot": pilot_scheme, "eunis": eunis_scheme}

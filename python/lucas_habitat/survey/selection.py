"""Points chosen from a survey table."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from .._base import words
from .._base.checks import check_number
from .._base.tables import require_columns
from ..errors import InputError, inform, some
from .campaigns import PHOTO_COLUMNS, check_countries, check_directions, check_years
from .nomenclature import assign_habitat
from .values import IN_SITU

__all__ = ["select_points"]

_HINT = f"{words.call('read_survey')} gives it."


def select_points(
    survey: pd.DataFrame,
    *,
    scheme: str | os.PathLike[str] | pd.DataFrame | Mapping[str, str | None] = "pilot",
    countries: str | Iterable[str] | None = None,
    years: int | Iterable[int] | None = None,
    classes: str | Iterable[str] | None = None,
    field_only: bool = True,
    max_distance: float | None = 100,
    directions: str | Iterable[str] = ("P", "N", "E", "S", "W"),
    min_cover: float | None = None,
    n_per_class: int | None = None,
    n: int | None = None,
    seed: int = 1,
) -> pd.DataFrame:
    """Choose points of the survey to train on, test on or map.

    Parameters
    ----------
    survey : pandas.DataFrame
        What `read_survey` gives.
    scheme : optional
        What turns land cover codes into classes, as in `assign_habitat`. Points whose code has
        no class are left out.
    countries : str or iterable of str, optional
        Countries to choose from.
    years : int or iterable of int, optional
        Campaigns to choose from. A point then comes once for each of them. Without, it comes
        once: as in its latest campaign that meets the other conditions.
    classes : str or iterable of str, optional
        Classes of the scheme to keep.
    field_only : bool, default True
        Only points observed in the field, not those interpreted from aerial photos.
    max_distance : float or None, default 100
        The farthest that the observer may have stood from the point, in metres; beyond 100 m
        the photos do not show it. A field observation without a distance counts by its type
        (``In situ < 100 m``). None: any distance.
    directions : str or iterable of str, default P, N, E, S, W
        Photos that must have been taken. A photo counts as missing only where the table says
        that it was not taken: the tables of 2022 may say nothing, nor do any of close-ups.
    min_cover : float, optional
        Pure cover: points whose first cover takes at least this share (percent, 0 to 100) by the
        lower end of its class, and that have no second. Rows without a share, such as all of
        2006, are left out.
    n_per_class : int, optional
        Draw a balanced sample: so many rows of each class. Class shares then differ from the
        land's, as in `split_photos`.
    n : int, optional
        Draw a sample of so many rows, the classes in proportion to their numbers.
    seed : int, default 1
        The same seed and rows, in any order, give the same sample.

    Returns
    -------
    pandas.DataFrame
        The chosen rows in order of point and year, with ``habitat``: what `download_photos`
        takes. ``attrs["selection"]`` counts the rows left after each step.

    Warns
    -----
    LucasMessage
        How many rows each condition left.

    Raises
    ------
    InputError
        If an argument cannot be, no row is left, or there are too few for the sample.

    See Also
    --------
    split_photos : keeps all years of a point on one side.

    Examples
    --------
    >>> points = select_points(survey, countries="DK", n_per_class=60)   # doctest: +SKIP
    """
    require_columns(
        survey, ["point_id", "year", "nuts0", "lc1"], words.call("select_points"), _HINT
    )
    if n is not None and n_per_class is not None:
        raise InputError("Give n (proportional) or n_per_class (balanced), not both.")
    for name, number in (("n", n), ("n_per_class", n_per_class)):
        if number is not None:
            check_number(name, number, 1, whole=True)
    steps = {"rows of the survey": len(survey)}
    table = survey.copy()
    table.attrs = {}

    def keep(fits: pd.Series, what: str) -> None:
        nonlocal table
        table = table[fits.fillna(False).astype(bool)]
        steps[what] = len(table)
        if table.empty:
            raise InputError(f"No row is left: {_counts(steps)}.")

    only_years, only_countries = check_years(years), check_countries(countries)
    if table["nuts0"].isna().any():  # their photos have no address
        keep(table["nuts0"].notna(), "with a country")
    if only_countries is not None:
        keep(table["nuts0"].isin(only_countries), f"in {', '.join(sorted(only_countries))}")
    if only_years is not None:
        keep(table["year"].isin(only_years), f"of {', '.join(map(str, sorted(only_years)))}")
    if field_only:
        _need(table, ["obs_type"], words.arg("field_only", True))
        keep(table["obs_type"].isin(IN_SITU), "seen in the field")
    if max_distance is not None:
        check_number("max_distance", max_distance, 0)
        _need(table, ["obs_dist", "obs_type"], words.arg("max_distance"))
        near = table["obs_dist"] <= max_distance
        if max_distance >= 100:
            near |= table["obs_dist"].isna() & (table["obs_type"] == IN_SITU[0])
        keep(near, f"from at most {max_distance:g} m")
    taken = [PHOTO_COLUMNS[d] for d in check_directions(directions) if d in PHOTO_COLUMNS]
    if taken:
        _need(table, taken, words.arg("directions"))
        keep(~(table[taken] == False).any(axis=1), "with their photos")  # noqa: E712
    if min_cover is not None:
        check_number("min_cover", min_cover, 0, 100)
        _need(table, ["lc1_perc_low", "lc2"], words.arg("min_cover"))
        keep(
            (table["lc1_perc_low"] >= min_cover) & table["lc2"].isna(),
            f"of one cover on at least {min_cover:g} %",
        )
    table = assign_habitat(table, scheme)
    keep(table["habitat"].notna(), "with a class")
    if classes is not None:
        wanted = {classes} if isinstance(classes, str) else set(classes)
        strange = sorted(wanted - set(table["habitat"]))
        if strange:
            raise InputError(
                f"No row has the class {some(strange)}; there are "
                f"{', '.join(sorted(table['habitat'].unique()))}."
            )
        keep(table["habitat"].isin(wanted), f"of the class {', '.join(sorted(wanted))}")
    table = table.sort_values(["point_id", "year"]).reset_index(drop=True)
    if only_years is None:
        keep(~table["point_id"].duplicated(keep="last"), "one year a point")
    if n_per_class is not None or n is not None:
        table = draw_rows(table, n_per_class, n, seed)
        steps["drawn"] = len(table)
    table = table.reset_index(drop=True)
    table.attrs = {"selection": steps}
    found = table["habitat"].value_counts().sort_index()
    inform(f"{_counts(steps)}: " + ", ".join(f"{k} {v}" for k, v in found.items()) + ".")
    return table


def _need(table: pd.DataFrame, columns: list[str], what: str) -> None:
    require_columns(table, columns, what, _HINT)


def _counts(steps: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in steps.items())


def draw_rows(
    table: pd.DataFrame, n_per_class: int | None, n: int | None, seed: int
) -> pd.DataFrame:
    """Draw so many rows of each class, or so many in all with the classes in proportion."""
    counts = table["habitat"].value_counts().sort_index()
    if n_per_class is not None:
        if counts.min() < n_per_class:
            raise InputError(
                f"{words.arg('n_per_class', n_per_class)} rows were asked for, but the classes have "
                + ", ".join(f"{k} {v}" for k, v in counts.items())
                + ". Ask for fewer, or relax the conditions that rows were chosen by."
            )
        draw = np.full(len(counts), int(n_per_class))
    else:
        wanted = int(n or 0)
        if wanted > len(table):
            raise InputError(
                f"{words.arg('n', wanted)} rows were asked for, but only {len(table)} are left."
            )
        exact = counts.to_numpy() * (wanted / len(table))
        draw = np.floor(exact + 1e-9).astype(int)
        # What rounding down left over goes to the classes that lost most by it.
        draw[np.argsort(draw - exact, kind="stable")[: wanted - draw.sum()]] += 1
    rng = np.random.default_rng(seed)
    chosen: list[int] = []
    for label, number in zip(counts.index, draw, strict=True):
        rows = np.flatnonzero(table["habitat"] == label)
        chosen.extend(rng.choice(rows, number, replace=False))
    return table.iloc[sorted(chosen)]

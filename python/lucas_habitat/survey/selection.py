"""Points chosen from a survey table."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple, cast

import numpy as np
import pandas as pd

from .._base import words
from .._base.checks import check_number
from .._base.signatures import checked
from .._base.tables import require_columns
from .._base.types import Scheme
from ..errors import InputError, inform, some
from .campaigns import PHOTO_COLUMNS, check_countries, check_directions, check_years
from .design import shares_drawn, thinned, with_weights
from .nomenclature import assign_habitat
from .values import IN_SITU

__all__ = ["select_points"]

_HINT = f"{words.call('read_survey')} gives it."


@checked
def select_points(
    survey: pd.DataFrame,
    *,
    scheme: Scheme = "pilot",
    countries: str | Iterable[str] | None = None,
    years: int | Iterable[int] | None = None,
    classes: str | Iterable[str] | None = None,
    field_only: bool = True,
    max_distance: float | None = 100,
    directions: str | Iterable[str] = ("P", "N", "E", "S", "W"),
    min_cover: float | None = None,
    n_per_class: int | str | None = None,
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
    n_per_class : int or str, optional
        Draw a balanced sample: so many rows of each class; ``"<=270"`` takes up to 270, all of a class
        that has fewer. Class shares then differ from the land's, as in `split_photos`.
    n : int, optional
        Draw a sample of so many rows, the classes in proportion to their numbers.
    seed : int, default 1
        The same seed and rows, in any order, give the same sample.

    Returns
    -------
    pandas.DataFrame
        The chosen rows in order of point and year, with ``habitat``, ``inclusion_probability`` and
        ``weight``: what `download_photos` takes. ``attrs["selection"]`` counts the rows left after
        each step.

        ``inclusion_probability`` is the share that was drawn of the candidates of the row's class, the
        rows that met all conditions; 1 where all were taken. ``weight`` is 1 over it, times the
        survey's own weight where the table has one (``survey_weight`` as `read_survey` gives it,
        ``WGT_LUCAS`` or the like). `evaluate` takes it: ``weights="weight"``.

    Notes
    -----
    Weights stand for the candidates: land that meets the conditions, not land without photos or whose
    points were seen from afar. With ``years``, a row is a point in a year: it is drawn as such, and a
    point counts once for each of its years drawn. A class of which ``n`` is too small to draw a row is
    not stood for by any weight. Choosing again from what was chosen multiplies probabilities. A split
    (`split_photos`) takes points of all classes in equal shares, which changes no weighted mean; drawing
    so many of each class afterwards, as its ``n_per_class`` does, is not in the weight.

    Warns
    -----
    LucasMessage
        How many rows each condition left.
    LucasWarning
        If rows lack the survey's weight.

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
    if n is not None:
        check_number("n", n, 1, whole=True)
    per_class = None if n_per_class is None else _per_class(n_per_class)
    only_years, only_countries = check_years(years), check_countries(countries)
    rows = _Rows(survey)
    _keep_asked_for(rows, only_countries, only_years)
    _keep_well_seen(rows, field_only, max_distance)
    _keep_photographed(rows, check_directions(directions))
    if min_cover is not None:
        _keep_pure(rows, min_cover)
    rows.table = assign_habitat(rows.table, scheme)
    _keep_classes(rows, classes)
    rows.table = rows.table.sort_values(["point_id", "year"]).reset_index(drop=True)
    if only_years is None:
        rows.keep(~rows.table["point_id"].duplicated(keep="last"), "one year a point")
    rows.table = with_weights(rows.table)
    if per_class is not None or n is not None:
        drawn = draw_rows(rows.table, per_class, n, seed)
        rows.table = thinned(drawn, shares_drawn(drawn, rows.table))
        rows.n_left["drawn"] = len(rows.table)
    points = rows.table.reset_index(drop=True)
    points.attrs = {"selection": rows.n_left}
    n_of_class = points["habitat"].value_counts().sort_index()
    inform(f"{rows}: " + ", ".join(f"{k} {v}" for k, v in n_of_class.items()) + ".")
    return points


class _Rows:
    """The rows of a survey that are left, and how many each condition left."""

    def __init__(self, survey: pd.DataFrame) -> None:
        self.table = survey.copy()
        self.table.attrs = {}
        self.n_left = {"rows of the survey": len(survey)}

    def keep(self, fits: pd.Series, condition: str) -> None:
        """Keep the rows that fit a condition; where that is missing, they do not."""
        self.table = self.table[fits.fillna(False).astype(bool)]
        self.n_left[condition] = len(self.table)
        if self.table.empty:
            raise InputError(f"No row is left: {self}.")

    def need(self, columns: list[str], argument: str) -> None:
        """Refuse a table without the columns that a condition is about."""
        require_columns(self.table, columns, argument, _HINT)

    def __str__(self) -> str:
        return ", ".join(f"{n:,} {condition}" for condition, n in self.n_left.items())


class PerClass(NamedTuple):
    """How many rows of each class are drawn."""

    number: int
    is_most: bool = False  # whether a class may have fewer


def _per_class(asked: object) -> PerClass:
    """A number of rows of each class, or ``"<=270"``: up to so many."""
    if isinstance(asked, str):
        match = re.fullmatch(r"<=\s*([1-9]\d*)", asked.strip())
        if match is None:
            raise InputError(
                f"{words.arg('n_per_class')} must be a whole number, or such as '<=270' for up to so many; "
                f"got {words.value(asked)} instead."
            )
        return PerClass(int(match[1]), is_most=True)
    check_number("n_per_class", asked, 1, whole=True)
    return PerClass(int(cast(int, asked)))


def _keep_asked_for(rows: _Rows, countries: set[str] | None, years: set[int] | None) -> None:
    if rows.table["nuts0"].isna().any():  # their photos have no address
        rows.keep(rows.table["nuts0"].notna(), "with a country")
    if countries is not None:
        rows.keep(rows.table["nuts0"].isin(countries), f"in {', '.join(sorted(countries))}")
    if years is not None:
        rows.keep(rows.table["year"].isin(years), f"of {', '.join(map(str, sorted(years)))}")


def _keep_well_seen(rows: _Rows, field_only: bool, max_distance: float | None) -> None:
    """Keep the rows that were observed in the field, and from near enough."""
    if field_only:
        rows.need(["obs_type"], words.arg("field_only", True))
        rows.keep(rows.table["obs_type"].isin(IN_SITU), "seen in the field")
    if max_distance is not None:
        check_number("max_distance", max_distance, 0, open_high=True)
        rows.need(["obs_dist", "obs_type"], words.arg("max_distance"))
        distance, obs_type = rows.table["obs_dist"], rows.table["obs_type"]
        is_near = distance <= max_distance
        if max_distance >= 100:
            is_near |= distance.isna() & (obs_type == IN_SITU[0])
        rows.keep(is_near, f"from at most {max_distance:g} m")


def _keep_photographed(rows: _Rows, directions: list[str]) -> None:
    columns = [PHOTO_COLUMNS[d] for d in directions if d in PHOTO_COLUMNS]
    if columns:
        rows.need(columns, words.arg("directions"))
        is_lacking = (rows.table[columns] == False).any(axis=1)  # noqa: E712
        rows.keep(~is_lacking, "with their photos")


def _keep_pure(rows: _Rows, min_cover: float) -> None:
    check_number("min_cover", min_cover, 0, 100)
    rows.need(["lc1_perc_low", "lc2"], words.arg("min_cover"))
    is_pure = (rows.table["lc1_perc_low"] >= min_cover) & rows.table["lc2"].isna()
    rows.keep(is_pure, f"of one cover on at least {min_cover:g} %")


def _keep_classes(rows: _Rows, classes: str | Iterable[str] | None) -> None:
    """Keep the rows that have a class, one of those asked for."""
    rows.keep(rows.table["habitat"].notna(), "with a class")
    if classes is None:
        return
    asked = {classes} if isinstance(classes, str) else set(classes)
    habitat = rows.table["habitat"]
    strange = sorted(asked - set(habitat))
    if strange:
        raise InputError(
            f"No row has the class {some(strange)}; there are "
            f"{', '.join(sorted(habitat.unique()))}."
        )
    rows.keep(habitat.isin(asked), f"of the class {', '.join(sorted(asked))}")


def draw_rows(
    table: pd.DataFrame, per_class: PerClass | None, n: int | None, seed: int
) -> pd.DataFrame:
    """Draw so many rows of each class, or so many in all with the classes in proportion."""
    counts = table["habitat"].value_counts().sort_index()
    if per_class is not None:
        number = per_class.number
        if counts.min() < number and not per_class.is_most:
            raise InputError(
                f"{words.arg('n_per_class', number)} rows were asked for, but the classes have "
                + ", ".join(f"{k} {v}" for k, v in counts.items())
                + f". Ask for fewer, for up to so many ({words.arg('n_per_class', f'<={number}')}), or relax "
                "the conditions that rows were chosen by."
            )
        n_of_class = np.minimum(number, counts.to_numpy())
    else:
        n_rows = int(n or 0)
        if n_rows > len(table):
            raise InputError(
                f"{words.arg('n', n_rows)} rows were asked for, but only {len(table)} are left."
            )
        exact = counts.to_numpy() * (n_rows / len(table))
        n_of_class = np.floor(exact + 1e-9).astype(int)
        # What rounding down left over goes to the classes that lost most by it.
        n_of_class[np.argsort(n_of_class - exact, kind="stable")[: n_rows - n_of_class.sum()]] += 1
    rng = np.random.default_rng(seed)
    drawn: list[int] = []
    for label, number in zip(counts.index, n_of_class, strict=True):
        rows = np.flatnonzero(table["habitat"] == label)
        drawn.extend(rng.choice(rows, number, replace=False))
    return table.iloc[sorted(drawn)]

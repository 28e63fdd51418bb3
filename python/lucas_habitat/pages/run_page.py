"""One page that says what was trained on what, how good it is, and what to know before quoting it.

A page is a list of sections. `run_sections` makes those of a run, `write_page` writes any list of them, so
that another command puts its own beside or between.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from .._base import words
from .._base.files import check_out_file, full_path
from .._base.runs import is_run
from .._base.signatures import checked
from .._base.tables import TABLE_ENDINGS, read_table, require_columns
from .._base.types import Table
from ..agreement.compared import ClassShares
from ..errors import InputError
from ..photos import within
from . import sections
from .page import Section, check_data_folder, write_page
from .results import results_of

if TYPE_CHECKING:
    from ..model import HabitatModel, Model

__all__ = ["report"]


@checked
def report(
    predictions: pd.DataFrame | str | os.PathLike[str],
    out: str | os.PathLike[str] = "report.html",
    *,
    model: Model | None = None,
    points: pd.DataFrame | str | os.PathLike[str] | None = None,
    title: str | None = None,
    class_shares: ClassShares | None = None,
) -> Path:
    """Write one self-contained page on a finished run.

    The page holds what was trained on what, accuracy and kappa with intervals per photo and per
    point, pictures, examples, refused photos with their reasons, and warnings; it loads nothing
    from elsewhere and runs no script. Each picture's numbers are CSV files in a folder beside it,
    named like the page with ``_data``.

    Parameters
    ----------
    predictions : pandas.DataFrame or path
        What `classify` returned, its file, the folder that ``classify(out=...)`` wrote, or that of a run
        as ``lucas-habitat demo`` writes it: ``predictions.csv`` and, where they are, ``points.csv``
        and ``model/``. Without labels the page has no accuracy, and says so.
    out : path, default "report.html"
        The page; an earlier one is replaced.
    model : HabitatModel, path or address, optional
        The model, or where `load_model` finds it; without one the page says nothing of training.
    points : pandas.DataFrame or path, optional
        What `vote` returned. By default the photos vote by majority.
    title : str, optional
        Default: "Habitats from ground photos".
    class_shares : mapping, Series, DataFrame or path, optional
        The classes' shares of the land, as for `evaluate`: the points' figures, such as those of a
        sample balanced by class, then stand beside those of land with these shares. Where points have
        design weights (``weight``), these count, too.

    Returns
    -------
    pathlib.Path
        The page.

    Raises
    ------
    InputError
        If there are no predictions, class shares do not fit the points, or the folder for the numbers
        holds something else.
    ModelError
        If the model's folder holds no usable model.
    """
    page = full_path(out)
    if page.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"{words.arg('out')} must end in .html; got {page.name!r} instead.")
    check_data_folder(page)
    check_out_file(page)
    from ..saved_models import as_model  # asked for a model's sake only: it imports engines

    run = _Given(predictions, model, points)
    if not isinstance(predictions, pd.DataFrame) and _is_study(Path(predictions)):
        run = _in_folder(Path(predictions), run)
    of_run = run_sections(
        run.predictions,
        model=None if run.model is None else as_model(run.model),
        points=run.points,
        class_shares=class_shares,
    )
    return write_page(of_run, page, title or "Habitats from ground photos")


class _Given(NamedTuple):
    """What a report is of."""

    predictions: Table
    model: HabitatModel | str | os.PathLike[str] | None
    points: Table | None


def _is_study(path: Path) -> bool:
    """Whether a path is a folder of tables and a model, and not one that `classify` wrote in parts."""
    return path.is_dir() and not is_run(path)


def _in_folder(folder: Path, given: _Given) -> _Given:
    """The tables and the model of a run's folder, unless others were given."""
    predictions = _table_in(folder, "predictions")
    if predictions is None:
        raise InputError(
            f"{folder} holds no predictions.csv or predictions.parquet. Give the folder of a run, "
            f"or the table that {words.call('classify')} made."
        )
    table = read_table(predictions)
    hint = f"Give the table that {words.call('classify')} made."
    require_columns(table, ["path"], str(predictions), hint)
    model = folder / "model" if (folder / "model").is_dir() else None
    return _Given(
        within(table, folder),
        model if given.model is None else given.model,
        _table_in(folder, "points") if given.points is None else given.points,
    )


def _table_in(folder: Path, name: str) -> Path | None:
    """The file of a table in a run's folder, if there is one."""
    files = (folder / f"{name}{ending}" for ending in TABLE_ENDINGS)
    return next((file for file in files if file.is_file()), None)


def run_sections(
    predictions: Table,
    *,
    model: HabitatModel | None,
    points: Table | None,
    class_shares: ClassShares | None = None,
) -> list[Section]:
    """The sections of a run, in the order of the page; arguments as for `report`."""
    with warnings.catch_warnings():
        # What was left out is counted on the page.
        for kind in sections.OURS:
            warnings.simplefilter("ignore", kind)
        run = results_of(predictions, model, points, class_shares)
        in_order = (
            sections.summary(run),
            sections.cautions(run),
            sections.training(run),
            sections.accuracy(run),
            sections.on_the_land(run),
            sections.gain_of_votes(run),
            sections.trust(run),
            sections.places(run),
            sections.change(run),
            sections.examples(run, right=True),
            sections.examples(run, right=False),
            sections.doubted(run),
            sections.telling_point(run),
            sections.refused(run),
            sections.about(run),
        )
    return [section for section in in_order if section is not None]

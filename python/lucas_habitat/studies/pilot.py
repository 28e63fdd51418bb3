"""The pilot in one call, from the survey's table or from own photos: model, votes, accuracy, one page."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from .._base import words
from .._base.checks import check_number, check_seed
from .._base.files import check_out_folder
from .._base.progress import Progress
from .._base.signatures import checked
from .._base.types import Photos, Scheme
from ..errors import inform
from ..model import Model
from ..pages.page import check_data_folder
from ..saved_models import as_model
from ..survey.campaigns import check_countries, check_years
from ..survey.server import BASE
from .pilot_page import run_result, share_command
from .pilot_settings import (
    SEEN,
    PilotSettings,
    as_list,
    check_network,
    check_own,
    check_sample,
    check_views,
    further_arguments,
    own_table,
)
from .pilot_steps import (
    EVALUATED,
    MODEL,
    PHOTOS,
    SELECTION,
    SURVEY,
    choose_points,
    evaluate_model,
    fetch_photos,
    make_model,
    split_own,
    tidy_survey,
    write_run_page,
)
from .run_folder import REPORT, Run

__all__ = ["pilot"]


@checked
def pilot(
    out: str | os.PathLike[str],
    *,
    country: str | Iterable[str] = "DK",
    table: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None = None,
    years: int | Iterable[int] | None = None,
    scheme: Scheme = "pilot",
    classes: str | Iterable[str] | None = None,
    sample: str | int = "small",
    balanced: bool | None = None,
    directions: str | Iterable[str] = ("P", "N", "E", "S", "W"),
    field_only: bool = True,
    max_distance: float | None = 100,
    min_cover: float | None = None,
    test_size: float | None = None,
    validation_split: float = 0.2,
    arch: str | None = None,
    recipe: str = "pilot",
    training: Mapping[str, Any] | None = None,
    model: Model | None = None,
    photos: Photos | None = None,
    base: str = BASE,
    per_second: float = 5.0,
    seed: int = 1,
    device: str = "auto",
    overwrite: bool = False,
    progress: Progress = True,
) -> pd.DataFrame:
    """Run the pilot, or a study like it, from the survey's table to one page.

    Reads the survey's table (and fetches it where none is given), chooses points of a country,
    fetches their photos, splits them by point, trains, classifies the test photos, lets the
    photos of each point vote, evaluates photos and points, and writes a self-contained page. A
    run that was broken off, even killed, goes on where it was when it is started again with the
    same settings; one with other settings makes anew only what they change.

    Photos of your own take the same way from the split on: give them as ``photos``.

    Never run against the real servers; tested against a local one with their addresses.

    Parameters
    ----------
    out : path
        Folder for everything. It will hold ``survey.parquet`` (the tidied table), ``selection.csv``
        (the points chosen), ``photos/`` (as on the server), ``photos.csv`` (a photo table with
        ``split``), ``model/``, ``predictions.csv`` (test photos), ``points.csv`` (their votes),
        ``evaluation_photos.json``, ``evaluation_points.json``, ``comparison.csv``,
        ``report.html`` with its numbers in ``report_data/``, and ``run.json`` (settings, steps
        and seconds).
    country : str or iterable of str, default "DK"
        As in the survey: EL for Greece, UK for the United Kingdom.
    table : path, https address, or sequence of them, optional
        Tables of the survey, as `read_survey` takes them. By default the harmonised table
        is fetched from the Joint Research Centre: of 2018 if ``years=2018``, else of all
        campaigns from 2006 to 2018 (about 130 MB). That of 2022 must be given.
    years : int or iterable of int, optional
        Campaigns. A point then comes once for each of them (only points of all of them are
        drawn, unless the sample is ``"all"``), and the page tells of its changes. Without, it comes
        once, as in its latest.
    scheme, classes : optional
        What turns land cover codes into classes, and which of them to keep; see `select_points`.
    sample : {"small", "large", "all"} or int, default "small"
        How many photos, about, since whole points are drawn: ``"small"`` the pilot's 1,093, as many
        of each class; ``"large"`` its 15,676 to train on and 4,297 to test on, classes in
        proportion; ``"all"`` there are; or a number.
    balanced : bool, optional
        Whether each class gets as many points. Default: as the sample says; of a number, True.
    directions : str or iterable of str, default P, N, E, S, W
        Photos of a point that are fetched, and must have been taken by the table.
    field_only, max_distance, min_cover : optional
        What points must have been seen like; see `select_points`.
    test_size : float, optional
        Share of points to test on. Default: 0.2, or as the large sample says.
    validation_split : float, default 0.2
        Share of the other points held out to calibrate the model; 0 for none.
    arch, recipe : optional
        As in `train`.
    training : mapping, optional
        Further arguments of `train`, such as ``{"epochs": 20}``.
    model : HabitatModel, path or address, optional
        A trained model, or where `load_model` finds one, to be tested on all photos instead of
        training one on some; points it was trained on do not count. Then ``test_size``,
        ``validation_split``, ``arch``, ``recipe`` and ``training`` are not used.
    photos : pandas.DataFrame, path or list of paths, optional
        Labelled photos of your own, a photo table or anything `list_photos` takes, instead of the
        survey's. Where they have a ``split``, the model is trained on all but its ``test`` rows and
        tested on these; else ``test_size`` of the points is drawn. Classes are the column ``habitat``
        or folders, or ``scheme`` makes them of a column ``lc1``. They stay where they are, and nothing
        is fetched: what chooses and fetches the survey's photos is not used, and ``table``, ``years``,
        ``classes``, ``balanced`` are refused.
    base, per_second : optional
        The photos' server, and requests a second at most; as in `download_photos`.
    seed : int, default 1
        Of the sample, the split, training and intervals.
    device : str, default "auto"
        As in `train`.
    overwrite : bool, default False
        Do a finished run again: photos the server did not have are asked for anew, and what
        rests on other settings or photos is replaced.
    progress : bool or callable, default True
        Whether to show bars, or what to call as ``progress(done, total, what)``.

    Returns
    -------
    pandas.DataFrame
        One row each for ``photos``, ``points`` and ``pilot`` (``unit``): ``n``, ``n_points``,
        ``overall_accuracy`` and ``kappa`` with ``*_low`` and ``*_high`` (95 % intervals by
        bootstrap over points). The pilot's own figures, 0.734 and 0.650, have neither numbers nor
        intervals; its photos were split by photo, so photos of a test point could be
        among those it was trained on. ``attrs["report"]`` and ``attrs["folder"]`` are paths.

    Raises
    ------
    InputError
        If an argument cannot be, too few points are left, the folder holds a finished
        run with other settings, or something else.
    DownloadError
        If a server cannot be reached or the disk is full. What was done is kept.

    Examples
    --------
    >>> pilot("dk", country="DK")                                   # doctest: +SKIP
    >>> pilot("se", country="SE", sample=5000, years=[2015, 2018])  # doctest: +SKIP
    >>> pilot("se-by-dk", country="SE", model="dk/model")           # doctest: +SKIP
    >>> pilot("mine", photos="photos.csv", recipe="recommended")    # doctest: +SKIP
    """
    check_number("validation_split", validation_split, 0, 1, open_high=True)
    arguments = further_arguments(training)
    arguments |= {"arch": arch, "recipe": recipe, "validation_split": validation_split}
    if photos is not None:
        check_own(table=table, years=years, classes=classes, balanced=balanced)
    settings = PilotSettings(
        countries=check_countries(country),
        tables=None if table is None else [str(t) for t in as_list(table)],
        years=check_years(years),
        scheme=scheme,
        classes=None if classes is None else as_list(classes),
        sample=check_sample(sample, balanced, test_size),
        directions=check_views(directions),
        field_only=bool(field_only),
        max_distance=max_distance,
        min_cover=min_cover,
        cache=arguments.pop("cache"),  # changes no result
        training=arguments,
        model=None if model is None else as_model(model),
        photos=None if photos is None else own_table(photos, scheme),
        base=base,
        per_second=per_second,
        seed=check_seed(seed),
        device=device,
        overwrite=overwrite,
        progress=progress,
    )
    if max_distance is not None:
        check_number("max_distance", max_distance, 0, open_high=True)
    if min_cover is not None:
        check_number("min_cover", min_cover, 0, 100)
    folder = check_out_folder(out)
    run = Run(folder, settings.recorded(), overwrite)
    if run.is_finished:
        inform(
            f"{folder} holds this run, finished. Look at {folder / REPORT}; "
            f"{words.arg('overwrite', True)} does it again."
        )
        return run_result(folder)
    check_data_folder(folder / REPORT)
    if settings.model is None and "model" not in run.steps:
        # Told now, not after an hour of fetching.
        check_network(settings.training)

    if settings.photos is None:
        _survey_steps(run, settings)
    else:
        run.step(
            "photos",
            lambda: split_own(run, settings),
            settings=("photos", "test_size", "model", "seed"),
            files=[PHOTOS],
        )
    # What comes next rests on the photos that are there, however they were chosen.
    run.rest_on(PHOTOS)
    run.step(
        "model",
        lambda: make_model(run, settings),
        settings=("training", "model", "seed"),
        files=[f"{MODEL}/card.json"],
    )
    run.step("predictions", lambda: evaluate_model(run, settings), files=EVALUATED)
    run.step("report", lambda: write_run_page(run), files=[REPORT], again=overwrite)
    run.finish()
    if settings.model is None:
        inform(
            "Others can start from this model without labelled photos. To write it into one file for them: "
            f"{share_command(run, folder)}"
        )
    return run_result(folder)


def _survey_steps(run: Run, settings: PilotSettings) -> None:
    """From the survey's table to photos of chosen points, split."""
    run.step(
        "survey",
        lambda: tidy_survey(run, settings),
        settings=("country", "table", "years"),
        files=[SURVEY],
    )
    run.step(
        "points",
        lambda: choose_points(run, settings),
        settings=("years", "scheme", "classes", "sample", "balanced", "directions", "seed", *SEEN),
        files=[SELECTION],
    )
    run.step(
        "photos",
        lambda: fetch_photos(run, settings),
        settings=("base", "directions", "test_size", "model", "seed"),
        files=[PHOTOS],
        again=settings.overwrite,  # photos that could not be had may be there by now
    )

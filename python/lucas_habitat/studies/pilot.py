"""The pilot in one call: the survey's table, points, photos, model, votes, accuracy, one page."""

from __future__ import annotations

import inspect
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pandas as pd

from .._base import words
from .._base.checks import check_choice, check_number, check_seed
from .._base.choices import RECIPES
from .._base.files import write_json
from .._base.progress import Progress
from .._base.tables import TABLE_ENDINGS, read_table, write_table
from ..classifier import classify
from ..errors import InputError, inform, some
from ..evaluation import evaluate
from ..model import HabitatModel
from ..networks.backbones import load_backbone
from ..pages.page import check_data_folder, write_page
from ..pages.run_page import run_sections
from ..photos import landscape
from ..saved_models import load_model, save_model
from ..splits import split_photos
from ..survey.campaigns import check_countries, check_directions, check_years
from ..survey.photos import download_photos
from ..survey.selection import draw_rows, select_points
from ..survey.server import BASE
from ..survey.table_files import download_table
from ..survey.tables import read_survey
from ..training import square_side, train
from ..voting import vote
from .pilot_page import beside_the_pilot, comparison_table, how_made, run_result
from .run_folder import COMPARISON, REPORT, Run, digest

__all__ = ["pilot"]

#: Where the survey's harmonised tables lie, one of all campaigns and one of 2018.
TABLES = "https://jeodpp.jrc.ec.europa.eu/ftp/jrc-opendata/LUCAS/LUCAS_harmonised/1_table"

#: The pilot's two samples: photos, whether classes were balanced, share to test on.
SAMPLES = {"small": (1_093, True, 0.2), "large": (15_676 + 4_297, False, 4_297 / 19_973)}

# Arguments of train() that this function has itself, or decides.
_NOT_OF_TRAINING = ("photos", "validation", "corrections", "progress", "seed", "device")

_OWN_OF_TRAINING = ("arch", "recipe", "validation_split")


def pilot(
    out: str | os.PathLike[str],
    *,
    country: str | Iterable[str] = "DK",
    table: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None = None,
    years: int | Iterable[int] | None = None,
    scheme: str | os.PathLike[str] | pd.DataFrame | Mapping[str, str | None] = "pilot",
    classes: str | Iterable[str] | None = None,
    sample: str | int = "small",
    balanced: bool | None = None,
    directions: str | Iterable[str] = ("P", "N", "E", "S", "W"),
    test_size: float | None = None,
    validation_split: float = 0.2,
    arch: str = "xception",
    recipe: str = "pilot",
    training: Mapping[str, Any] | None = None,
    model: HabitatModel | str | os.PathLike[str] | None = None,
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
    test_size : float, optional
        Share of points to test on. Default: 0.2, or as the large sample says.
    validation_split : float, default 0.2
        Share of the other points held out to calibrate the model; 0 for none.
    arch, recipe : str
        As in `train`.
    training : mapping, optional
        Further arguments of `train`, such as ``{"epochs": 20}``.
    model : HabitatModel or path, optional
        A trained model, to be tested on all photos instead of training one on some; points it
        was trained on do not count. Then ``test_size``, ``validation_split``, ``arch``, ``recipe``
        and ``training`` are not used.
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
    """
    n_photos, balanced, test_size = _sample(sample, balanced, test_size)
    letters = check_directions(directions)
    voting = [d for d in letters if d != "C"]
    if not voting:
        raise InputError(
            f"{words.arg('directions')} must have one of P, N, E, S, W; close-ups do not vote."
        )
    how: dict[str, Any] = {"arch": arch, "recipe": recipe, "validation_split": validation_split}
    how |= _of_training(training)
    cache = how.pop("cache")  # changes no result
    given = load_model(model) if isinstance(model, str | os.PathLike) else model
    only_years, only_countries = check_years(years), check_countries(country)
    settings = {
        "country": sorted(only_countries or ()),
        "table": None if table is None else [_known_again(t) for t in _listed(table)],
        "years": None if only_years is None else sorted(only_years),
        "scheme": _plain_scheme(scheme),
        "classes": None if classes is None else sorted(_listed(classes)),
        "sample": sample if isinstance(sample, str) else n_photos,
        "balanced": balanced,
        "directions": letters,
        "test_size": test_size if given is None else None,
        "training": how if given is None else None,
        "model": None if given is None else digest(given.card()),
        "base": base,
        "seed": check_seed(seed),
    }
    run = Run(Path(os.path.abspath(os.path.expanduser(out))), settings, overwrite)
    folder = run.folder
    if run.finished:
        inform(
            f"{folder} holds this run, finished. Look at {folder / REPORT}; "
            f"{words.arg('overwrite', True)} does it again."
        )
        return run_result(folder)
    check_data_folder(folder / REPORT)
    if given is None and "model" not in run.steps:
        # An hour of fetching must not end at weights that cannot be had.
        check_choice("recipe", recipe, tuple(RECIPES))
        load_backbone(
            arch,
            weights=how.get("weights", "imagenet"),
            scaling=how.get("scaling"),
            size=square_side(how.get("target_size", 224)),
        )

    def survey_step() -> dict[str, Any]:
        survey, notes = _survey(folder, table, only_years, only_countries, progress)
        write_table(survey, folder / "survey.parquet")
        return notes

    def points_step() -> dict[str, Any]:
        chosen = select_points(
            read_table(folder / "survey.parquet"),
            scheme=scheme,
            years=years,
            classes=classes,
            directions=voting,
        )
        steps = chosen.attrs["selection"]
        if n_photos is not None:
            # Whole points: with all their campaigns, drawn by their class in the latest.
            visits = len(only_years or [0])
            all_years = chosen.groupby("point_id")["year"].transform("size") == visits
            whole = chosen[all_years]
            if visits > 1:
                steps["of all these years"] = len(whole)
            if whole.empty:
                raise InputError(f"No point was visited in all of {sorted(only_years or ())}.")
            latest = whole.drop_duplicates("point_id", keep="last")
            n = math.ceil(n_photos / len(voting) / visits)
            each = math.ceil(n / latest["habitat"].nunique()) if balanced else None
            counts = latest["habitat"].value_counts().sort_index()
            if (each or 0) > counts.min() or n > len(latest):
                raise InputError(
                    f"About {n_photos} photos are those of {each or n} points"
                    f"{' of each class' if balanced else ''}, but there are "
                    f"{', '.join(f'{k} {v}' for k, v in counts.items())}. Give a smaller "
                    f"{words.option('sample')}, {words.arg('sample', 'all')}, or more countries "
                    "or years."
                )
            drawn = draw_rows(latest, each, None if balanced else n, seed)
            chosen = whole[whole["point_id"].isin(drawn["point_id"])]
            steps["drawn"] = len(chosen)
        write_table(chosen, folder / "selection.csv")
        return {"selection": steps}

    def photos_step() -> dict[str, Any]:
        photos = download_photos(
            folder / "selection.csv",
            folder / "photos",
            directions=letters,
            base=base,
            per_second=per_second,
            again=overwrite,
            progress=progress,
        )
        there = photos[photos["status"] == "ok"].drop(columns=["status", "error"])
        if there.empty:
            raise InputError(
                f"None of {len(photos)} photos could be had: "
                f"{photos['status'].value_counts().to_dict()}. Run again later, or look at "
                f"{words.option('base')}."
            )
        table = (
            pd.concat(split_photos(there, test_size=test_size, seed=seed), ignore_index=True)
            if given is None
            else there
        )
        run.write_photos(table, "photos.csv")
        return {"photos": photos["status"].value_counts().to_dict()}

    def model_step() -> dict[str, Any]:
        found = given or train(
            folder / "photos.csv", **how, seed=seed, device=device, progress=progress
        )
        save_model(found, folder / "model", overwrite=True)
        return {}

    def predictions_step() -> dict[str, Any]:
        photos = run.photos("photos.csv")
        wanted = ~photos["split"].isin(["train"]) & landscape(photos)
        predictions = classify(
            photos[wanted],
            folder / "model",
            device=device,
            cache=cache,
            progress=progress,
        )
        points = vote(predictions)
        # A model given may have been trained on some of them.
        tested = [
            t[~t["split"].isin(["train"])] if "split" in t else t for t in (predictions, points)
        ]
        if tested[0].empty:
            raise InputError(
                f"The model was trained on all {len(points)} points, so none is left to test it on."
            )
        found = {
            unit: evaluate(t, seed=seed)
            for unit, t in zip(("photos", "points"), tested, strict=True)
        }
        run.write_photos(predictions, "predictions.csv")
        write_table(points, folder / "points.csv")
        for unit, evaluation in found.items():
            write_json(evaluation.as_dict(), folder / f"evaluation_{unit}.json")
        write_table(comparison_table(found), folder / COMPARISON)
        return {}

    def report_step() -> dict[str, Any]:
        sections = run_sections(
            run.photos("predictions.csv"),
            model=load_model(folder / "model"),
            points=read_table(folder / "points.csv"),
        )
        sections.insert(1, beside_the_pilot(run_result(folder)))
        sections.insert(-1, how_made(run))
        where = ", ".join(run.settings["country"])
        write_page(sections, folder / REPORT, f"LUCAS photos of {where}")
        return {}

    evaluated = ["predictions.csv", "points.csv", "evaluation_photos.json"]
    evaluated += ["evaluation_points.json", COMPARISON]
    run.step("survey", survey_step, ("country", "table", "years"), ["survey.parquet"])
    run.step(
        "points",
        points_step,
        ("years", "scheme", "classes", "sample", "balanced", "directions", "seed"),
        ["selection.csv"],
    )
    of_photos = ("base", "directions", "test_size", "model", "seed")
    run.step("photos", photos_step, of_photos, ["photos.csv"])
    # What comes next rests on the photos that are there, however they were chosen.
    run.rest_on("photos.csv")
    run.step("model", model_step, ("training", "model", "seed"), ["model/card.json"])
    run.step("predictions", predictions_step, (), evaluated)
    run.step("report", report_step, (), [REPORT])
    run.finish()
    return run_result(folder)


def _sample(
    sample: object, balanced: bool | None, test_size: float | None
) -> tuple[int | None, bool, float]:
    """Photos (None: all there are), whether classes are balanced, share of points to test on."""
    if isinstance(sample, str):
        known = {**SAMPLES, "all": (None, False, 0.2)}
        if sample not in known:
            raise InputError(
                f"{words.arg('sample')} must be 'small', 'large', 'all' or a number of photos; "
                f"got {words.value(sample)} instead."
            )
        n, even, share = known[sample]
    else:
        check_number("sample", sample, 1, whole=True)
        n, even, share = int(cast(int, sample)), True, 0.2
    if balanced is not None:
        even = bool(balanced)
    if test_size is not None:
        check_number("test_size", test_size, 0, 1, open_low=True, open_high=True)
        share = float(test_size)
    if n is None and even:
        raise InputError(
            f"{words.arg('sample', 'all')} cannot be balanced; give a number of photos instead."
        )
    return n, even, share


def _of_training(training: Mapping[str, Any] | None) -> dict[str, Any]:
    """Arguments of train() that this function does not have, with their defaults."""
    given = dict(training or {})
    known = {
        name: parameter.default
        for name, parameter in inspect.signature(train).parameters.items()
        if name not in {*_NOT_OF_TRAINING, *_OWN_OF_TRAINING}
    }
    strange = sorted(set(given) - set(known))
    if strange:
        raise InputError(
            f"{words.arg('training')} has {some(strange)}; it takes further arguments of "
            f"{words.call('train')}: "
            f"{', '.join(sorted(known))}."
        )
    # R's numbers come as 20.0.
    whole = {k: int(v) for k, v in given.items() if isinstance(v, float) and v.is_integer()}
    return known | given | whole


def _plain_scheme(scheme: object) -> object:
    if str(scheme).lower().endswith(TABLE_ENDINGS):
        scheme = read_table(str(scheme))
    if isinstance(scheme, pd.DataFrame):
        scheme = scheme.astype("object").where(scheme.notna(), None).to_dict("list")
    return dict(scheme) if isinstance(scheme, Mapping) else str(scheme)


def _listed(values: Any) -> list[Any]:
    one = isinstance(values, str | os.PathLike) or not isinstance(values, Iterable)
    return [values] if one else list(values)


def _known_again(table: object) -> str:
    """An address, or a file by its place, size and time."""
    if "://" in str(table):
        return str(table)
    path = Path(os.path.abspath(os.path.expanduser(str(table))))
    if not path.is_file():
        raise InputError(f"There is no table {path}.")
    return f"{path} ({path.stat().st_size} bytes, {path.stat().st_mtime:.0f})"


def _survey(
    folder: Path,
    table: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None,
    years: set[int] | None,
    countries: set[str] | None,
    progress: Progress,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The tidied rows of a country, and what was put right in them."""
    if table is None:
        sources = [f"{TABLES}/lucas_harmo_uf{'_2018' if years == {2018} else ''}.zip"]
    else:
        sources = [str(t) for t in _listed(table)]
    parts: list[pd.DataFrame] = []
    notes: dict[str, Any] = {"tables": [], "repairs": {}, "problems": 0}
    for source in sources:
        if "://" in source:
            # Tables of other addresses may have the same name.
            place = folder / "tables" / digest(source)[:8]
            place.mkdir(parents=True, exist_ok=True)
            source = str(download_table(source, place, progress=progress))
        found = read_survey(source, years=years, countries=countries)
        notes["tables"].append(Path(source).name)
        for kind, n in found.attrs["repairs"].items():
            notes["repairs"][kind] = notes["repairs"].get(kind, 0) + n
        notes["problems"] += len(found.attrs["problems"]["problem"])
        found.attrs = {}
        parts.append(found)
    survey = pd.concat(parts, ignore_index=True)
    twice = survey.duplicated(["point_id", "year"])
    if twice.any():
        raise InputError(
            f"{int(twice.sum())} points and years stand in more than one of the tables, the first is "
            f"{survey.loc[twice, 'point_id'].iloc[0]}. Give each campaign once."
        )
    return survey, {**notes, "rows": len(survey)}

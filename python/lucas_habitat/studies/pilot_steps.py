"""The steps of the pilot: each takes what lies in the folder, and leaves its files there."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd

from .._base import words
from .._base.tables import read_table, write_table
from ..errors import InputError, SplitError, some
from ..pages.page import write_page
from ..pages.run_page import run_sections
from ..photos import groups_of, landscape
from ..saved_models import load_model, save_model
from ..splits import split_photos
from ..survey.design import shares_drawn, thinned
from ..survey.photos import download_photos
from ..survey.selection import PerClass, draw_rows, select_points
from ..survey.table_files import download_table
from ..survey.tables import read_survey
from ..training import train
from .outcome import EVALUATIONS, POINTS, outcome_of, write_outcome
from .pilot_page import beside_the_pilot, comparison_table, handed_on, how_made, run_result
from .pilot_settings import PilotSettings
from .run_folder import COMPARISON, REPORT, Run, digest

#: Where the survey's harmonised tables lie, one of all campaigns and one of 2018.
TABLES = "https://jeodpp.jrc.ec.europa.eu/ftp/jrc-opendata/LUCAS/LUCAS_harmonised/1_table"

SURVEY, SELECTION, PHOTOS = "survey.parquet", "selection.csv", "photos.csv"
MODEL, PREDICTIONS = "model", "predictions.csv"
#: What `evaluate_model` makes.
EVALUATED = (
    PREDICTIONS, POINTS, EVALUATIONS.format("photos"), EVALUATIONS.format("points"), COMPARISON,
)  # fmt: skip


def tidy_survey(run: Run, settings: PilotSettings) -> dict[str, Any]:
    """Read the survey's tables, fetched where they are addresses; note what was put right."""
    default = f"{TABLES}/lucas_harmo_uf{'_2018' if settings.years == {2018} else ''}.zip"
    names: list[str] = []
    repairs: Counter[str] = Counter()
    n_problems = 0
    parts: list[pd.DataFrame] = []
    for source in [default] if settings.tables is None else settings.tables:
        path = _table_at_hand(source, run.folder, settings)
        part = read_survey(path, years=settings.years, countries=settings.countries)
        names.append(path.name)
        repairs.update(part.attrs["repairs"])
        n_problems += len(part.attrs["problems"]["problem"])
        part.attrs = {}
        parts.append(part)
    survey = pd.concat(parts, ignore_index=True)
    is_repeated = survey.duplicated(["point_id", "year"])
    if is_repeated.any():
        raise InputError(
            f"{int(is_repeated.sum())} points and years stand in more than one of the tables, the "
            f"first is {survey.loc[is_repeated, 'point_id'].iloc[0]}. Give each campaign once."
        )
    write_table(survey, run.folder / SURVEY)
    return {"tables": names, "repairs": repairs, "problems": n_problems, "rows": len(survey)}


def choose_points(run: Run, settings: PilotSettings) -> dict[str, Any]:
    """Choose the points whose photos are fetched; note how many rows each condition left."""
    points = select_points(
        read_table(run.folder / SURVEY),
        scheme=settings.scheme,
        years=settings.years,
        classes=settings.classes,
        directions=settings.voting_directions,
        field_only=settings.field_only,
        max_distance=settings.max_distance,
        min_cover=settings.min_cover,
    )
    n_rows = points.attrs["selection"]
    if settings.sample.n_photos is not None:
        if settings.n_visits > 1:
            points = _visited_each_year(points, settings)
            n_rows["of all these years"] = len(points)
        points = _draw_points(points, settings, settings.sample.n_photos)
        n_rows["drawn"] = len(points)
    write_table(points, run.folder / SELECTION)
    return {"selection": n_rows}


def fetch_photos(run: Run, settings: PilotSettings) -> dict[str, Any]:
    """Fetch the points' photos, and split them if a model is to be trained; note what came."""
    photos = download_photos(
        run.folder / SELECTION,
        run.folder / "photos",
        directions=settings.directions,
        base=settings.base,
        per_second=settings.per_second,
        again=settings.overwrite,
        progress=settings.progress,
    )
    counts = photos["status"].value_counts().to_dict()
    usable = photos[photos["status"] == "ok"].drop(columns=["status", "error"])
    if usable.empty:
        raise InputError(
            f"None of {len(photos)} photos could be had: {counts}. Run again later, or look at "
            f"{words.option('base')}."
        )
    if settings.model is None:
        sides = split_photos(usable, test_size=settings.sample.test_size, seed=settings.seed)
        usable = pd.concat(sides, ignore_index=True)
    run.write_photos(usable, PHOTOS)
    return {"photos": counts}


def split_own(run: Run, settings: PilotSettings) -> dict[str, Any]:
    """Split photos of the user's own, unless they are; note how many there are on each side."""
    photos = settings.photos
    assert photos is not None
    if settings.model is not None:
        photos = photos.assign(split=pd.Series(None, index=photos.index, dtype="str"))
    elif photos["split"].isna().all():
        sides = split_photos(photos, test_size=settings.sample.test_size, seed=settings.seed)
        photos = pd.concat(sides, ignore_index=True)
    elif not (photos["split"] == "test").any():
        raise InputError(
            f"No photo has the split 'test', so there is nothing to test on. Leave the column split out, "
            f"and {words.option('test_size')} of the points are drawn."
        )
    else:
        photos = photos.assign(split=photos["split"].fillna("train"))
        _check_apart(photos)
    run.write_photos(photos, PHOTOS)
    return {"sides": photos["split"].fillna("test").value_counts().to_dict()}


def _check_apart(photos: pd.DataFrame) -> None:
    """Refuse a split in which a point is trained and tested on."""
    is_test = photos["split"] == "test"
    groups = groups_of(photos)
    shared = sorted(set(groups[is_test]) & set(groups[~is_test]))
    if shared:
        raise SplitError(
            f"{len(shared)} points stand in training and test: {some(shared)}. Split by point with "
            f"{words.call('split_photos')}, or leave the column split out."
        )


def make_model(run: Run, settings: PilotSettings) -> None:
    """Train a model, or take the one given."""
    model = settings.model
    if model is None:
        model = train(
            run.folder / PHOTOS,
            **settings.training,
            seed=settings.seed,
            device=settings.device,
            cache=settings.cache,
            progress=settings.progress,
        )
    save_model(model, run.folder / MODEL, overwrite=True)


def evaluate_model(run: Run, settings: PilotSettings) -> None:
    """Classify the photos not trained on, let their points vote, and compare with the pilot."""
    photos = run.photos(PHOTOS)
    is_tested = ~photos["split"].isin(["train"]) & landscape(photos)
    outcome = outcome_of(
        photos[is_tested],
        run.folder / MODEL,
        seed=settings.seed,
        device=settings.device,
        cache=settings.cache,
        progress=settings.progress,
    )
    run.write_photos(outcome.predictions, PREDICTIONS)
    write_outcome(outcome, run.folder)
    write_table(comparison_table(outcome.evaluations), run.folder / COMPARISON)


def write_run_page(run: Run) -> None:
    """Write the page of a run, with the pilot beside it and how it was made."""
    sections = run_sections(
        run.photos(PREDICTIONS),
        model=load_model(run.folder / MODEL),
        points=read_table(run.folder / POINTS),
    )
    sections.insert(1, beside_the_pilot(run_result(run.folder)))
    sections.insert(-1, how_made(run))
    if run.settings["model"] is None:
        sections.insert(-1, handed_on(run))
    countries = ", ".join(run.settings["country"])
    is_own = run.settings["photos"] is not None
    title = "Photos of your own" if is_own else f"LUCAS photos of {countries}"
    write_page(sections, run.folder / REPORT, title)


def _table_at_hand(source: str, folder: Path, settings: PilotSettings) -> Path:
    """A table's file, fetched if an address was given."""
    if "://" not in source:
        return Path(source)
    # Tables of other addresses may have the same name.
    place = folder / "tables" / digest(source)[:8]
    place.mkdir(parents=True, exist_ok=True)
    return download_table(source, place, progress=settings.progress)


def _visited_each_year(points: pd.DataFrame, settings: PilotSettings) -> pd.DataFrame:
    """The points that were visited in all of the campaigns."""
    n_visits = points.groupby("point_id")["year"].transform("size")
    whole = points[n_visits == settings.n_visits]
    if whole.empty:
        raise InputError(f"No point was visited in all of {sorted(settings.years or ())}.")
    return whole


def _draw_points(points: pd.DataFrame, settings: PilotSettings, n_photos: int) -> pd.DataFrame:
    """Draw points for so many photos, with all their campaigns, by their class in the latest."""
    latest = points.drop_duplicates("point_id", keep="last")
    n_points = math.ceil(n_photos / len(settings.voting_directions) / settings.n_visits)
    counts = latest["habitat"].value_counts().sort_index()
    if settings.sample.is_balanced:
        n_of_each = math.ceil(n_points / len(counts))
        is_enough = n_of_each <= counts.min() and n_points <= len(latest)
    else:
        n_of_each, is_enough = None, n_points <= len(latest)
    if not is_enough:
        raise InputError(
            f"About {n_photos} photos are those of {n_of_each or n_points} points"
            f"{' of each class' if settings.sample.is_balanced else ''}, but there are "
            f"{', '.join(f'{k} {v}' for k, v in counts.items())}. Give a smaller "
            f"{words.option('sample')}, {words.arg('sample', 'all')}, or more countries or years."
        )
    per_class = None if n_of_each is None else PerClass(n_of_each)
    drawn = draw_rows(latest, per_class, None if per_class else n_points, settings.seed)
    chosen = points[points["point_id"].isin(drawn["point_id"])]
    share = dict(zip(drawn["point_id"], shares_drawn(drawn, latest), strict=True))
    return thinned(chosen, chosen["point_id"].map(share))

"""The whole way in one call: photos, split, training, classification, votes, evaluation."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import pandas as pd

from .._base.files import check_out_folder, write_json, write_text
from .._base.progress import Progress
from .._base.signatures import checked
from .._base.tables import write_table
from .._base.version import __version__
from ..images.drawn import DRAWN, draw_demo_photos
from ..model import HabitatModel
from ..pages.run_page import report
from ..photos import describe_photos, list_photos
from ..proportions import covariates, support
from ..saved_models import save_model
from ..splits import split_photos
from ..training import train
from .outcome import Outcome, outcome_of, write_outcome

__all__ = ["run_demo"]

_TEST_SIZE = 0.4  # enough test points for an interval that says something

_VALIDATION = 0.2


@checked
def run_demo(
    out: str | os.PathLike[str] = "demo-run",
    *,
    photos: str | os.PathLike[str] | None = None,
    arch: str = "efficientnet_lite0",
    n_points: int = 200,
    seed: int = 1,
    codes: bool = False,
    progress: Progress = True,
) -> str:
    """Run the main job from labelled photos to modelling columns, and keep everything.

    Parameters
    ----------
    out : path, default "demo-run"
        Folder for everything made; files of an earlier demo there are replaced.
    photos : path, optional
        Real labelled photos (anything `list_photos` takes) instead of drawn ones.
    arch : str, default "efficientnet_lite0"
        See `build_model`; the default's weights come with the extra ``offline``.
    n_points : int, default 200
        How many points are drawn, at least 40.
    seed : int, default 1
    codes : bool, default False
        Draw 11 land cover codes instead of the four classes, so that levels can be tried; see
        `draw_demo_photos`.
    progress : bool or callable, default True

    Returns
    -------
    str
        A summary: photos read and refused, accuracy and kappa per photo and per point with
        intervals, the confusion table, and where the files are. Also in ``summary.txt``.
    """
    start = time.perf_counter()
    check_out_folder(out)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    source = Path(photos) if photos is not None else _drawn(folder, n_points, seed, codes, progress)
    table = list_photos(source)
    training, test = split_photos(
        table, test_size=None if table["split"].notna().any() else _TEST_SIZE, seed=seed
    )
    write_table(training, folder / "train.csv")
    model = train(training, arch=arch, validation_split=_VALIDATION, seed=seed, progress=progress)
    save_model(model, folder / "model", overwrite=True)
    outcome = outcome_of(test, model, seed=seed, progress=progress)
    write_table(outcome.predictions, folder / "predictions.csv")
    write_outcome(outcome, folder)
    _write_covariates(outcome.points, folder)

    lines = [*describe_photos(table), *_describe(model, outcome)]
    if photos is None:
        lines.append("Drawn photos say nothing about real land: they show that the way works.")
    lines += ["", *_describe_folder(folder), f"{time.perf_counter() - start:.0f} seconds"]
    text = "\n".join(lines)
    write_text(text + "\n", folder / "summary.txt")
    # Last, and with what lies in the folder, as `lucas-habitat report` would write it again.
    report(folder, folder / "report.html", model=model)
    return text


def _write_covariates(points: pd.DataFrame, folder: Path) -> None:
    # A test point surveyed in two campaigns counts once, by its latest.
    proportions = covariates(points, year="latest" if points["year"].notna().all() else None)
    write_table(proportions, folder / "covariates.csv")
    write_table(support(proportions), folder / "covariates_support.csv")


def _describe(model: HabitatModel, outcome: Outcome) -> list[str]:
    """Photos used and refused, the model, and its accuracy per photo and per point, as lines."""
    status = outcome.predictions["status"]
    reasons = (  # of the test photos and of those to train on
        status[status != "ok"]
        .value_counts()
        .add(pd.Series(model.training["refused"], dtype="int64"), fill_value=0)
        .astype(int)
    )
    by_photo, by_point = outcome.evaluations["photos"], outcome.evaluations["points"]
    lines = [
        f"{model.training['n_photos']} photos trained on, {model.training['n_validation_photos']} "
        f"to calibrate, {int((status == 'ok').sum())} classified, {reasons.sum()} refused"
        + (f" ({', '.join(f'{n} {k}' for k, n in reasons.items())})" if len(reasons) else ""),
        *("", str(model), "", str(by_photo), "", str(by_point), ""),
    ]
    if by_point.n < by_photo.n:
        lines.append(
            f"Votes change kappa from {by_photo.kappa:.3f} per photo to {by_point.kappa:.3f} per point."
        )
    return lines


def _describe_folder(folder: Path) -> list[str]:
    return [
        f"Everything is in {folder}:",
        "  predictions.csv    one row a test photo      points.csv       one row a point and year",
        "  evaluation_*.json  the numbers above         covariates.csv   for a species model",
        "  model/             the trained model         train.csv        what it was trained on",
        f"Look at all of it in {folder / 'report.html'}",
    ]


def _drawn(folder: Path, n_points: int, seed: int, codes: bool, progress: Progress) -> Path:
    """Draw the demo photos, unless the same ones are there."""
    photos = folder / "photos"
    note = photos / DRAWN
    made = {"lucas_habitat": __version__, "n_points": n_points, "seed": seed}
    made |= {"codes": True} if codes else {}
    if note.is_file():
        if json.loads(note.read_text(encoding="utf-8")) == made:
            return photos
        shutil.rmtree(photos)  # ours, but other ones
    unfinished = folder / "photos-unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    draw_demo_photos(unfinished, n_points=n_points, seed=seed, codes=codes, progress=progress)
    write_json(made, unfinished / DRAWN)
    os.replace(unfinished, photos)
    return photos

"""One page that says what was trained on what, how good it is, and what to know before quoting it.

A page is a list of sections. `run_sections` makes those of a run, `write_page` writes any list of them, so
that another command puts its own beside or between.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from markupsafe import Markup
from PIL import Image

from .._base import words
from .._base.classes import column_names, probabilities
from .._base.places import is_lucas_id
from .._base.tables import read_table, require_columns
from .._base.version import __version__
from ..diagnostics import reliability, vote_gain
from ..errors import InputError, LucasMessage, LucasWarning, PhotoError
from ..evaluation import Evaluation, evaluate
from ..images.decode import STATUSES, thumbnail
from ..images.drawn import DRAWN
from ..over_years import FEWEST, changes, transitions
from ..photos import as_photos, landscape, within
from ..pictures.charts import draw_reliability, draw_votes, plot_confusion, plot_history
from ..pictures.maps import draw_map
from ..pictures.photos import plot_point
from ..pictures.tables import confusion_table, examples_table, map_table, point_table
from ..pictures.transitions import draw_transitions
from ..voting import vote
from .html import bullets, element, fact_list, figure, html_table, jpeg_uri, paragraph
from .page import Section, check_data_folder, write_page

if TYPE_CHECKING:
    from ..model import HabitatModel, Model

__all__ = ["report"]

_WIDTH = 130.0  # mm; a phone shows its 8 pt text large enough to read

_SIDE = 200  # pixels of an example's longer side

_EXAMPLES = 8

_FEW = 30  # points

_BALANCED = 1.5  # the commonest class of training at most so many times the rarest

_OURS = (LucasWarning, LucasMessage)

_CITE = (
    "The lucas-habitat authors. lucas-habitat: habitats from ground photos. Version "
    f"{__version__}. Licence: Apache-2.0."
)


def report(
    predictions: pd.DataFrame | str | os.PathLike[str],
    out: str | os.PathLike[str] = "report.html",
    *,
    model: Model | None = None,
    points: pd.DataFrame | str | os.PathLike[str] | None = None,
    title: str | None = None,
) -> Path:
    """Write one self-contained page on a finished run.

    The page holds what was trained on what, accuracy and kappa with intervals per photo and per
    point, pictures, examples, refused photos with their reasons, and warnings; it loads nothing
    from elsewhere and runs no script. Each picture's numbers are CSV files in a folder beside it,
    named like the page with ``_data``.

    Parameters
    ----------
    predictions : pandas.DataFrame or path
        What `classify` returned, its file, or the folder of a run as ``lucas-habitat demo`` writes
        it: ``predictions.csv`` and, where they are, ``points.csv`` and ``model/``. Without
        labels the page has no accuracy, and says so.
    out : path, default "report.html"
        The page; an earlier one is replaced.
    model : HabitatModel or path, optional
        The model, or its folder; without one the page says nothing of training.
    points : pandas.DataFrame or path, optional
        What `vote` returned. By default the photos vote by majority.
    title : str, optional
        Default: "Habitats from ground photos".

    Returns
    -------
    pathlib.Path
        The page.

    Raises
    ------
    InputError
        If there are no predictions, or the folder for the numbers holds something else.
    ModelError
        If the model's folder holds no usable model.
    """
    page = Path(os.path.abspath(os.path.expanduser(out)))
    if page.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"{words.arg('out')} must end in .html; got {page.name!r} instead.")
    check_data_folder(page)
    if not isinstance(predictions, pd.DataFrame) and Path(predictions).is_dir():
        run = Path(predictions)
        found = [f for e in (".csv", ".parquet") if (f := run / f"predictions{e}").is_file()]
        if not found:
            raise InputError(
                f"{run} holds no predictions.csv or predictions.parquet. Give the folder of a run, "
                f"or the table that {words.call('classify')} made."
            )
        predictions = read_table(found[0])
        require_columns(
            predictions,
            ["path"],
            str(found[0]),
            f"Give the table that {words.call('classify')} made.",
        )
        predictions = within(predictions, run)
        kept = [f for e in (".csv", ".parquet") if (f := run / f"points{e}").is_file()]
        points = kept[0] if points is None and kept else points
        model = run / "model" if model is None and (run / "model").is_dir() else model
    from ..model import HabitatModel
    from ..saved_models import load_model

    if model is not None and not isinstance(model, HabitatModel):
        model = load_model(model)
    sections = run_sections(predictions, model=model, points=points)
    return write_page(sections, page, title or "Habitats from ground photos")


def run_sections(
    predictions: pd.DataFrame | str | os.PathLike[str],
    *,
    model: HabitatModel | None,
    points: pd.DataFrame | str | os.PathLike[str] | None,
) -> list[Section]:
    """The sections of a run, in the order of the page; arguments as for `report`."""
    table, _, classes = probabilities(predictions, words.call("report"))
    require_columns(
        table, ["path"], words.call("report"), f"Give the table that {words.call('classify')} made."
    )
    # A label that no photo got is known to the model only.
    if model is not None and column_names(model.classes) == column_names(classes):
        classes = list(model.classes)
        table = table.assign(predicted=pd.Categorical(table["predicted"], categories=classes))
    table = as_photos(table)
    # The demo leaves a note beside the folders of the photos it draws.
    drawn = any((Path(p).parent.parent / DRAWN).is_file() for p in table["path"].dropna().head())
    with warnings.catch_warnings():
        # What was left out is counted on the page.
        for kind in _OURS:
            warnings.simplefilter("ignore", kind)
        voted = vote(table) if points is None else points
        if not isinstance(voted, pd.DataFrame):
            voted = read_table(voted)
        require_columns(
            voted,
            ["predicted"],
            words.arg("points"),
            f"Give the table that {words.call('vote')} made.",
        )
        evaluations = _evaluations(table, voted)
        sections = [
            _summary(table, voted, evaluations),
            _warnings(table, evaluations, model, drawn),
            *([_training(model)] if model is not None else []),
            *([_accuracy(evaluations)] if evaluations else []),
            *([_gain(table), _trust(table)] if evaluations else []),
            _places(voted),
            *_over_years(voted, model),
            *_examples(table, voted, bool(evaluations)),
            _refused(table, model),
            _about(table, model, drawn),
        ]
    return sections


def _number(value: float) -> str:
    return "undefined" if pd.isna(value) else f"{value:.3f}"


def _span(low: float, high: float) -> str:
    return "" if pd.isna(low) or pd.isna(high) else f"{low:.3f} to {high:.3f}"


# ---- sections -----------------------------------------------------------------------------------
def _evaluations(table: pd.DataFrame, points: pd.DataFrame) -> dict[str, Evaluation]:
    """Evaluations per photo and per point, where there is something to compare."""
    found = {}
    for name, rows in (("photo", table), ("point", points)):
        labelled = "habitat" in rows and (rows["habitat"].notna() & rows["predicted"].notna()).any()
        if labelled:
            found[name] = evaluate(rows)
    return found


def _summary(
    table: pd.DataFrame, points: pd.DataFrame, evaluations: dict[str, Evaluation]
) -> Section:
    read = int(table["predicted"].notna().sum())
    section = Section("In short")
    facts: dict[str, object] = {
        "Photos": f"{len(table)}, of which {read} were classified and {len(table) - read} refused",
        "Points": f"{table['point_id'].nunique()}, voted to {len(points)} points and years",
    }
    years = sorted(table["year"].dropna().unique())
    if years:
        facts["Years"] = ", ".join(map(str, years))
    section.parts.append(fact_list(facts))
    if evaluations:
        section.parts.append(
            html_table(
                pd.DataFrame(
                    [
                        {
                            "per": unit,
                            "compared": e.n,
                            "points": e.n_points,
                            "overall accuracy": _number(e.overall_accuracy),
                            "accuracy, 95 %": _span(*e.overall_accuracy_interval),
                            "kappa": _number(e.kappa),
                            "kappa, 95 %": _span(*e.kappa_interval),
                        }
                        for unit, e in evaluations.items()
                    ]
                ),
                "Accuracy and kappa, with 95 % intervals by bootstrap over points",
            )
        )
        section.tables["accuracy"] = pd.DataFrame(
            [
                {
                    "unit": unit,
                    "n": e.n,
                    "n_points": e.n_points,
                    "overall_accuracy": e.overall_accuracy,
                    "overall_accuracy_low": e.overall_accuracy_interval[0],
                    "overall_accuracy_high": e.overall_accuracy_interval[1],
                    "kappa": e.kappa,
                    "kappa_low": e.kappa_interval[0],
                    "kappa_high": e.kappa_interval[1],
                }
                for unit, e in evaluations.items()
            ]
        )
    else:
        section.parts.append(
            paragraph(
                "The photos carry no reference classes, so nothing can be said of accuracy.",
                kind="warning",
            )
        )
    return section


def _warnings(
    table: pd.DataFrame,
    evaluations: dict[str, Evaluation],
    model: HabitatModel | None,
    drawn: bool,
) -> Section:
    said = []
    if drawn:
        said.append(
            "The photos are drawn by the program itself: the numbers show that the way works, and "
            "say nothing about real land."
        )
    if "calibrated" not in table:
        said.append("Nothing says whether the probabilities are calibrated.")
    elif not table["calibrated"].isin([True, "True", "TRUE", "true"]).all():
        said.append(
            "The model is not calibrated: its probabilities are scores, not proportions. "
            "Calibrate it with photos of held-out points."
        )
    elif model is not None and model.calibration and model.calibration["n_points"] < _FEW:
        said.append(
            f"The model was calibrated on {model.calibration['n_points']} points only: its "
            "probabilities are rough proportions."
        )
    seen = table["split"] == "train"
    if seen.any():
        said.append(
            f"{int(seen.sum())} of {len(table)} photos are of points the model was trained on: "
            "accuracy is overstated."
        )
    if table["point_id"].isna().any():
        said.append(
            f"{int(table['point_id'].isna().sum())} photos have no point. Each counts as one of its "
            "own, though photos of one place are alike: intervals are too narrow."
        )
    per_class = pd.Series(model.training["photos_per_class"]) if model is not None else None
    if per_class is not None and per_class.max() <= _BALANCED * per_class.min():
        said.append(
            "Training classes are about equally common, as land is not. A rare class is predicted "
            "too often on real land, and user's accuracy there is lower than shown here unless "
            "the test points were drawn as land is."
        )
    for unit, e in evaluations.items():
        said += [f"Per {unit}: {note}." for note in e.notes]
    if evaluations:
        said.append(
            "Intervals say how much luck is in the choice of these points. They say nothing about "
            "other regions, seasons or cameras."
        )
    return Section("Before you quote these numbers", [bullets(said, kind="warning")])


def _training(model: HabitatModel) -> Section:
    card, t = model.card(), model.training
    spec, how = card["backbone"], card["preprocessing"]
    facts: dict[str, object] = {
        "Classes": ", ".join(model.classes),
        "Trained on": f"{t['n_photos']} photos of {t['n_points']} points",
        "Held out for validation": f"{t['n_validation_photos']} photos of {t['n_validation_points']} points"
        if t["n_validation_photos"]
        else "nothing",
        "Years": ", ".join(map(str, t["years"])) or "unknown",
        "Backbone": f"{spec['arch']}, weights {spec['weights']}, "
        + ("frozen" if t["freeze_backbone"] else "fine-tuned"),
        "Recipe": f"{t['recipe']}: {t['epochs']} epochs, batches of {t['batch_size']}, learning rate "
        f"{t['learning_rate']:g}, dropout {t['dropout']:g}, seed {t['seed']}",
        "Photos are read at": f"{how['size']} x {how['size']} pixels, resize {how['resize']}, "
        f"decoder {how['decoder']}, credit line: {how['credit']}",
        "Computed by": f"{card['engine']} on {card['device']}, {card['precision']}",
        "Calibration": f"temperature {model.temperature:.3f} from {model.calibration['n_photos']} "
        f"photos of {model.calibration['n_points']} points"
        if model.calibration
        else "none",
        "Made": model.created,
    }
    section = Section("What was trained on what", [fact_list(facts)])
    counts = pd.Series(t["photos_per_class"]).reindex(model.classes)
    shares = pd.DataFrame(
        {"class": counts.index, "photos": counts.to_numpy(), "share": counts / counts.sum()}
    )
    section.parts.append(
        html_table(
            shares.assign(share=[f"{v:.1%}" for v in shares["share"]]), "Training photos by class"
        )
    )
    section.tables["training_classes"] = shares
    section.add_picture(
        lambda: plot_history(model, width=_WIDTH),
        "history",
        model.history,
        "Loss, accuracy and kappa by epoch, of training and, where there are any, validation photos.",
    )
    return section


def _accuracy(evaluations: dict[str, Evaluation]) -> Section:
    section = Section("Accuracy by class")
    for unit, e in evaluations.items():
        t = e.per_class
        shown = pd.DataFrame(
            {
                "class": t["class"],
                "reference": t["n_reference"],
                "predicted": t["n_predicted"],
                "producer's accuracy": t["producers_accuracy"].map(_number),
                "producer's, 95 %": [
                    _span(a, b)
                    for a, b in zip(t["producers_low"], t["producers_high"], strict=True)
                ],
                "user's accuracy": t["users_accuracy"].map(_number),
                "user's, 95 %": [
                    _span(a, b) for a, b in zip(t["users_low"], t["users_high"], strict=True)
                ],
                "F1": t["f1"].map(_number),
            }
        )
        section.parts.append(
            html_table(shown, f"Per {unit}, with 95 % intervals by bootstrap over points")
        )
        section.tables[f"per_class_{unit}s"] = t
        section.add_picture(
            lambda e=e: plot_confusion(e, width=_WIDTH if len(e.confusion) < 8 else "double"),  # type: ignore[misc]
            f"confusion_{unit}s",
            confusion_table(e),
            f"Confusion per {unit}: rows predicted, columns reference; counts, and shares of the "
            "reference class.",
        )
    return section


def _gain(table: pd.DataFrame) -> Section:
    section = Section("What votes gain")
    try:
        numbers = vote_gain(table)
    except InputError as error:
        section.parts.append(paragraph(str(error)))
        return section
    first, last = numbers.iloc[0], numbers.iloc[-1]
    section.parts.append(
        paragraph(
            f"With {int(last['n_photos'])} photos instead of one, kappa goes from "
            f"{_number(first['kappa'])} to {_number(last['kappa'])}, on {int(last['n_points'])} points "
            "with so many readable photos."
        )
    )
    section.add_picture(
        lambda: draw_votes(numbers, _WIDTH),
        "vote_gain",
        numbers,
        "Accuracy and kappa by the number of photos that vote, and what each further photo gains; "
        "bars hold 95 % of draws of directions and points.",
    )
    return section


def _trust(table: pd.DataFrame) -> Section:
    section = Section("Can probabilities be taken at their word?")
    try:
        numbers = reliability(table)
    except InputError as error:
        section.parts.append(paragraph(str(error)))
        return section
    section.parts.append(
        paragraph(
            f"The expected calibration error is {numbers.attrs['ece']:.3f}: so far, on the mean over "
            "photos, is the share that is right from the probability given, in bins of a tenth."
        )
    )
    section.add_picture(
        lambda: draw_reliability(numbers, 100.0, "photos"),
        "reliability",
        numbers,
        "Share of photos that is right by the probability of their predicted class, and how many "
        "photos there are; on the dashed line probabilities are proportions.",
    )
    return section


def _places(points: pd.DataFrame) -> Section:
    section = Section("Where the points are")
    try:
        numbers = map_table(points, words.call("report"))
    except InputError as error:
        section.parts.append(paragraph(str(error)))
        return section
    counts = numbers["predicted"].value_counts(sort=False)
    said = ", ".join(f"{n} {c}" for c, n in counts.items() if n)
    section.add_picture(
        lambda: draw_map(numbers, _WIDTH),
        "map",
        numbers,
        f"Points by predicted class and its probability: {said}. EPSG:3035; coast: Natural Earth.",
    )
    return section


def _over_years(points: pd.DataFrame, model: HabitatModel | None) -> list[Section]:
    """What changed between campaigns, where enough points were classified in two of them."""
    if not {"point_id", "year"} <= set(points.columns):
        return []
    years = points[points["predicted"].notna()].groupby("point_id")["year"].nunique()
    if (years > 1).sum() < FEWEST:
        return []
    section = Section("Over the years")
    try:
        with warnings.catch_warnings(record=True) as caught:
            for kind in _OURS:
                warnings.simplefilter("always", kind)
            numbers = transitions(points, class_shares=model)
        found = changes(points, class_shares=model)
    except InputError as error:
        section.parts.append(paragraph(str(error)))
        return [section]
    section.parts.append(
        paragraph(
            "Counting points whose predicted class differs mistakes doubt for change. The estimated "
            "shares are those that make the probabilities of all visits likeliest."
        )
    )
    for w in caught:
        if not issubclass(w.category, _OURS):
            warnings.warn_explicit(w.message, w.category, w.filename, w.lineno)
    said = [str(w.message) for w in caught if issubclass(w.category, _OURS)]
    if said:
        section.parts.append(bullets(said, kind="warning"))
    verdicts = found.groupby(["year_from", "year_to"])["verdict"].value_counts().unstack()
    rows = []
    for t in numbers.drop_duplicates(["year_from", "year_to"]).to_dict("records"):
        counts = verdicts.loc[(t["year_from"], t["year_to"])]
        rows.append(
            {
                "campaigns": f"{t['year_from']} to {t['year_to']}",
                "points": t["n_points"],
                "changed, by counting": _percent(t["changed_predicted"]),
                "changed, estimated": _percent(t["changed"]),
                "95 %": " to ".join(_percent(t[f"changed_{end}"]) for end in ("low", "high")),
                **{f"surely {v}" if v != "in doubt" else v: counts[v] for v in counts.index},
            }
        )
    section.parts.append(html_table(pd.DataFrame(rows), "Points whose class changed"))
    section.tables["changes"] = found
    section.add_picture(
        lambda: draw_transitions(numbers, _WIDTH),
        "transitions",
        numbers,
        "Share of points that went from one class to another: estimated, with 95 % interval, and by "
        "counting predicted classes.",
    )
    return [section]


def _percent(share: float) -> str:
    return "unknown" if pd.isna(share) else f"{100 * share:.1f} %"


def _examples(table: pd.DataFrame, points: pd.DataFrame, labelled: bool) -> list[Section]:
    sections = []
    for right in (True, False) if labelled else ():
        kind = "right" if right else "wrong"
        section = Section(f"Photos classified {kind}")
        try:
            rows = examples_table(table, right, _EXAMPLES, what=words.call("report"))
        except InputError as error:
            section.parts.append(paragraph(str(error)))
        else:
            shown = [_example(row) for row in rows.to_dict("records")]
            section.parts.append(element("div", *shown, class_="photos"))
            section.tables[f"photos_{kind}"] = rows
        sections.append(section)
    chosen = _telling_point(table)
    if chosen is not None:
        rows = point_table(table, *chosen)
        section = Section("The photos of one point")
        section.add_picture(
            lambda: plot_point(table, *chosen, width=_WIDTH),
            "point",
            rows,
            f"Probabilities of the photos of point {chosen[0]}, the one whose photos agree least "
            "among those with the most photos.",
        )
        sections.append(section)
    return sections


def _telling_point(table: pd.DataFrame) -> tuple[str, int | None] | None:
    """The point, and year, whose photos disagree most; ties go to the first. Close-ups do not vote."""
    seen = table[table["point_id"].notna() & table["predicted"].notna() & landscape(table)]
    if seen.empty:
        return None
    seen = seen.assign(predicted=seen["predicted"].astype("str"))
    groups = seen.groupby(["point_id", "year"], dropna=False, sort=False)["predicted"]
    found = groups.agg(["size", "nunique"])
    best = found[found["size"] == found["size"].max()]["nunique"].idxmax()
    point, year = best
    return str(point), None if pd.isna(year) else int(year)


def _example(row: Mapping[Any, Any]) -> Markup:
    """A photo with its class, and its name; where it cannot be read, the reason."""
    said = f"{row['predicted']} {row['confidence']:.2f}"
    if str(row["predicted"]) != row["habitat"]:
        chance = row["reference_probability"]
        said += f"; is {row['habitat']}" + ("" if pd.isna(chance) else f" {chance:.2f}")
    name = os.path.basename(str(row["path"]))
    try:
        pixels = thumbnail(str(row["path"]), _SIDE)
    except PhotoError as error:
        return figure(None, f"{name}: {error}")
    image = element(
        "img",
        src=jpeg_uri(Image.fromarray(pixels)),
        width=pixels.shape[1],  # width and height keep the page from jumping
        height=pixels.shape[0],
        alt=f"Photo {name}, predicted {said}",
    )
    return figure(image, said, element("br"), element("small", name))


def _refused(table: pd.DataFrame, model: HabitatModel | None) -> Section:
    section = Section("Photos refused")
    status = table["status"] if "status" in table else pd.Series("ok", index=table.index)
    bad = table[(status != "ok").fillna(False)]
    trained = dict(model.training["refused"]) if model is not None else {}
    if bad.empty and not trained:
        section.parts.append(paragraph("None: every photo could be read."))
        return section
    counts = bad["status"].value_counts() if len(bad) else pd.Series(dtype="int64")
    reasons = sorted(set(counts.index) | set(trained))
    numbers = pd.DataFrame(
        {
            "reason": reasons,
            "meaning": [STATUSES.get(r, "") for r in reasons],
            "classified": [int(counts.get(r, 0)) for r in reasons],
            "training": [int(trained.get(r, 0)) for r in reasons],
        }
    )
    section.parts.append(
        html_table(
            numbers.rename(
                columns={"classified": "of those to classify", "training": "of those to train on"}
            ),
            "Reasons",
        )
    )
    section.tables["refused"] = numbers
    if len(bad):
        names = bad["path"].map(lambda p: os.path.basename(str(p)))
        errors = bad["error"] if "error" in bad else bad["status"]
        most = 20
        section.parts.append(
            bullets([f"{n}: {e}" for n, e in zip(names[:most], errors[:most], strict=True)])
        )
        if len(bad) > most:
            section.parts.append(paragraph(f"and {len(bad) - most} more, see the predictions."))
    return section


def _about(table: pd.DataFrame, model: HabitatModel | None, drawn: bool) -> Section:
    from .._base.version import library_versions
    from ..survey.campaigns import CAMPAIGNS
    from ..survey.credit import credit

    section = Section("Versions, citation, licence")
    section.parts.append(fact_list({"This page": _versions(library_versions())}))
    if model is not None:
        section.parts.append(fact_list({"Training": _versions(model.versions)}))
    section.parts.append(paragraph(f"Please cite: {_CITE}"))
    years = sorted(set(table["year"].dropna().astype(int)) & set(CAMPAIGNS))
    if not drawn and years and is_lucas_id(table["point_id"].dropna()).any():
        section.parts.append(
            paragraph("Photos of points with LUCAS ids, if they are the survey's, are shown under:")
        )
        section.parts += [paragraph(line, kind="credit") for line in credit(years).splitlines()]
    return section


def _versions(found: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in found.items())

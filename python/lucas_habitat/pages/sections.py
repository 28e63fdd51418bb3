"""The sections of a run's page, each a function of its results; None where there is nothing to tell."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pandas as pd
from markupsafe import Markup
from PIL import Image

from .._base.classes import is_calibrated
from .._base.places import is_lucas_id, photos_in_words, points_in_words
from .._base.version import __version__, library_versions
from ..diagnostics import methods_table, reliability_table, votes_table
from ..errors import InputError, LucasMessage, LucasWarning, PhotoError
from ..evaluation import Evaluation, side_by_side
from ..images.decode import STATUSES, thumbnail
from ..model import describe_fitting, quantisation_lines
from ..over_years import FEWEST, transitions_and_changes
from ..photos import landscape
from ..pictures.charts import draw_confusion, draw_history, draw_reliability, draw_votes
from ..pictures.maps import draw_map
from ..pictures.photos import draw_point
from ..pictures.tables import confusion_table, examples_table, map_table, point_table
from ..pictures.transitions import draw_transitions
from ..review import doubts_table
from ..sources import base_name
from ..survey.campaigns import CAMPAIGNS
from ..survey.credit import credit
from ..voting import has_learned_vote
from .html import bullets, element, fact_list, figure, html_table, jpeg_uri, paragraph
from .page import Section
from .results import REPORT, Results

_WIDTH = 130.0  # mm; a phone shows its 8 pt text large enough to read

_WIDE = 170.0  # mm, for a matrix of many classes

_SIDE = 200  # pixels of an example's longer side

_EXAMPLES = 8

_FEW = 30  # points

_BALANCED = 1.5  # the commonest class of training at most so many times the rarest

_MOST_REFUSED = 20  # photos named; the others are counted

OURS = (LucasWarning, LucasMessage)

_CITE = (
    "The lucas-habitat authors. lucas-habitat: habitats from ground photos. Version "
    f"{__version__}. Licence: Apache-2.0."
)


def summary(run: Results) -> Section:
    """How many photos and points there are, and how good their classes."""
    photos = run.photos.table
    n_read = int(photos["predicted"].notna().sum())
    facts: dict[str, object] = {
        "Photos": f"{len(photos)}, of which {n_read} were classified and "
        f"{len(photos) - n_read} refused",
        "Points": _points_in_short(run),
    }
    years = sorted(photos["year"].dropna().unique())
    if years:
        facts["Years"] = ", ".join(map(str, years))
    section = Section("In short", [fact_list(facts)])
    if not run.evaluations:
        lack = "The photos carry no reference classes, so nothing can be said of accuracy."
        section.parts.append(paragraph(lack, kind="warning"))
        return section
    numbers = pd.DataFrame([_accuracy_row(unit, e) for unit, e in run.evaluations.items()])
    section.tables["accuracy"] = numbers
    shown = pd.DataFrame(
        {
            "per": numbers["unit"],
            "compared": numbers["n"],
            "points": numbers["n_points"],
            "overall accuracy": numbers["overall_accuracy"].map(_number),
            "accuracy, 95 %": _spans(numbers, "overall_accuracy"),
            "kappa": numbers["kappa"].map(_number),
            "kappa, 95 %": _spans(numbers, "kappa"),
        }
    )
    caption = "Accuracy and kappa, with 95 % intervals that take points as drawn at random"
    section.parts.append(html_table(shown, caption))
    return section


def _accuracy_row(unit: str, e: Evaluation) -> dict[str, object]:
    """The overall numbers of an evaluation, with their intervals."""
    row: dict[str, object] = {"unit": unit, "n": e.n, "n_points": e.n_points}
    for name in ("overall_accuracy", "kappa"):
        low, high = getattr(e, f"{name}_interval")
        row |= {name: getattr(e, name), f"{name}_low": low, f"{name}_high": high}
    return row


def cautions(run: Results) -> Section:
    """What to know before quoting the numbers."""
    photos, model = run.photos.table, run.model
    notes = []
    if run.is_drawn:
        notes.append(
            "The photos are drawn by the program itself: the numbers show that the way works, and "
            "say nothing about real land."
        )
    calibration = _caution_of_calibration(run)
    if calibration:
        notes.append(calibration)
    n_trained_on = int((photos["split"] == "train").sum())
    if n_trained_on:
        notes.append(
            f"{n_trained_on} of {len(photos)} photos are of points the model was trained on: "
            "accuracy is overstated."
        )
    n_without_point = int(photos["point_id"].isna().sum())
    if n_without_point:
        notes.append(
            f"{n_without_point} photos have no point. Each counts as one of its "
            "own, though photos of one place are alike: intervals are too narrow."
        )
    per_class = pd.Series(model.training["photos_per_class"]) if model is not None else None
    if per_class is not None and per_class.max() <= _BALANCED * per_class.min():
        notes.append(
            "Training classes are about equally common, as land is not. A rare class is predicted "
            "too often on real land, and user's accuracy there is lower than shown here unless "
            "the test points were drawn as land is."
        )
    for unit, e in run.evaluations.items():
        notes += [f"Per {unit}: {note}." for note in e.notes]
    if run.evaluations:
        notes.append(
            "Intervals say how much luck is in the choice of these points. They say nothing about "
            "other regions, seasons or cameras."
        )
    return Section("Before you quote these numbers", [bullets(notes, kind="warning")])


def _caution_of_calibration(run: Results) -> str:
    """What to know of the probabilities; empty where they are well calibrated."""
    if "calibrated" not in run.photos.table:
        return "Nothing says whether the probabilities are calibrated."
    if not run.photos.is_calibrated:
        return (
            "The model is not calibrated: its probabilities are scores, not proportions. "
            "Calibrate it with photos of held-out points."
        )
    card = run.model.calibration if run.model is not None else None
    if card and card["n_points"] < _FEW:
        n = card["n_points"]
        few = points_in_words(n, n, card.get("n_without_point", 0))
        return f"The model was calibrated on {few} only: its probabilities are rough proportions."
    if "predicted" in run.points and not is_calibrated(run.points):
        return (
            "Photos are calibrated; points are not, or nothing says so: their probabilities are no "
            "proportions. Calibrate with held-out points that have several photos."
        )
    points = card.get("points") if card else None
    if points and points["rough"]:
        return (
            f"Points were calibrated on {points['n_points']} points with several photos, few or none "
            "of some class: probabilities of points are rough proportions."
        )
    return ""


def _points_in_short(run: Results) -> str:
    """How many points photos are of, and what they voted to."""
    n_points = run.photos.table["point_id"].nunique()
    if not n_points:
        return "none: each photo is a vote of its own"
    return f"{n_points}, voted to {len(run.points)} point-years"


def training(run: Results) -> Section | None:
    """What the model was trained on, and how."""
    model = run.model
    if model is None:
        return None
    card, t = model.card(), model.training
    spec, how = card["backbone"], card["preprocessing"]
    facts: dict[str, object] = {
        "Classes": ", ".join(model.classes),
        "Trained on": photos_in_words(t["n_photos"], t["n_points"], t.get("n_without_point", 0)),
        "Held out for validation": photos_in_words(
            t["n_validation_photos"],
            t["n_validation_points"],
            t.get("n_validation_without_point", 0),
        )
        if t["n_validation_photos"]
        else "nothing",
        "Years": ", ".join(map(str, t["years"])) or "unknown",
        "Backbone": f"{spec['arch']}, weights {spec['weights']}, "
        + ("frozen" if t["freeze_backbone"] else "fine-tuned"),
        "Recipe": f"{t['recipe']}: {describe_fitting(t)}, "
        + (
            ""
            if t["epochs"] is None
            else f"batches of {t['batch_size']}, learning rate "
            f"{t['learning_rate']:g}, dropout {t['dropout']:g}, "
        )
        + f"seed {t['seed']}",
        "Balance of classes": "none"
        if t.get("class_balance", "none") == "none"
        else f"by {t['class_balance']}: probabilities are for equal class shares",
        "Photos are read at": f"{how['size']} x {how['size']} pixels, resize {how['resize']}, "
        f"decoder {how['decoder']}, credit line: {how['credit']}",
        "Computed by": f"{card['engine']} on {card['device']}, {card['precision']}",
        "Eight bits": "".join(quantisation_lines(model)) or "none",
        "Calibration": f"temperature {model.temperature:.3f} from "
        + photos_in_words(
            model.calibration["n_photos"],
            model.calibration["n_points"],
            model.calibration.get("n_without_point", 0),
        )
        if model.calibration
        else "none",
        "Calibration of points": _calibration_of_points(run) or "none",
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
        lambda: draw_history(model.history, _WIDTH),
        "history",
        model.history,
        "Loss, accuracy and kappa by epoch, of training and, where there are any, validation photos.",
    )
    return section


def accuracy(run: Results) -> Section | None:
    """Accuracy by class, and the confusion matrix, per photo and per point."""
    if not run.evaluations:
        return None
    section = Section("Accuracy by class")
    for unit, e in run.evaluations.items():
        _add_accuracy(section, unit, e)
    return section


def _add_accuracy(section: Section, unit: str, e: Evaluation) -> None:
    """Add an evaluation's accuracy by class and its confusion matrix."""
    t = e.per_class
    shown = pd.DataFrame(
        {
            "class": t["class"],
            "reference": t["n_reference"],
            "predicted": t["n_predicted"],
            "producer's accuracy": t["producers_accuracy"].map(_number),
            "producer's, 95 %": _spans(t, "producers"),
            "user's accuracy": t["users_accuracy"].map(_number),
            "user's, 95 %": _spans(t, "users"),
            "F1": t["f1"].map(_number),
        }
    )
    caption = f"Per {unit}, with 95 % intervals that take points as drawn at random"
    section.parts.append(html_table(shown, caption))
    section.tables[f"per_class_{unit}s"] = t
    cells = confusion_table(e)
    section.add_picture(
        lambda: draw_confusion(cells, _WIDTH if len(e.confusion) < 8 else _WIDE),
        f"confusion_{unit}s",
        cells,
        f"Confusion per {unit}: rows predicted, columns reference; counts, and shares of the "
        "reference class.",
    )


def gain_of_votes(run: Results) -> Section | None:
    """What each further photo that votes gains."""
    if not run.evaluations:
        return None
    section = Section("What votes gain")
    try:
        numbers = votes_table(run.photos, REPORT)
    except InputError as error:
        section.parts.append(paragraph(error))
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
    if has_learned_vote(run.photos.table):
        _add_methods(section, run)
    return section


def _add_methods(section: Section, run: Results) -> None:
    """How the ways to vote compare, where the model learned one."""
    numbers = methods_table(run.photos, REPORT)
    shown = pd.DataFrame(
        {
            "vote": numbers["method"],
            "accuracy": numbers["accuracy"].map(_number),
            "kappa": numbers["kappa"].map(_number),
            "log loss": numbers["log_loss"].map(_number),
            "gain over one photo, 95 %": _spans(numbers, "gain_photo"),
            "gain over the majority, 95 %": _spans(numbers, "gain_majority"),
        }
    )
    caption = (
        f"All photos of {int(numbers['n_points'].iloc[0])} points by each way to vote; the learned one as "
        "the points taught that calibrated the model"
    )
    section.parts.append(html_table(shown, caption))
    section.tables["vote_methods"] = numbers


def on_the_land(run: Results) -> Section | None:
    """The points' figures as they were drawn, beside those of the land that they stand for."""
    if "point" not in run.evaluations:
        return None
    try:
        land = run.land
    except InputError as error:
        if run.class_shares is not None:
            raise
        return Section("What would it be on the land?", [paragraph(error, kind="warning")])
    if land is None:
        return None
    numbers = side_by_side({"points": run.evaluations["point"], "land": land})
    shown = pd.DataFrame(
        {
            "measure": numbers["measure"].str.replace("_", " "),
            "of the points as drawn": numbers["points"].map(_number),
            "as drawn, 95 %": _spans(numbers, "points"),
            "of the land": numbers["land"].map(_number),
            "of the land, 95 %": _spans(numbers, "land"),
        }
    )
    section = Section("What would it be on the land?")
    section.parts.append(paragraph(" ".join(_what_land(run))))
    section.parts.append(html_table(shown, "Points as they were drawn, and weighted for the land"))
    section.tables |= {"land": numbers, "per_class_land": land.per_class}
    return section


def _what_land(run: Results) -> list[str]:
    """What land the figures beside those of the points are of, as sentences."""
    texts = []
    if run.has_weights:
        texts.append(
            "Points were not drawn as land is: each stands for as many as its weight says. The land is "
            "that of which the points are a sample: for LUCAS, seen in the field and from near."
        )
    if run.land is not None and run.land.class_shares:
        shares = run.land.class_shares.items()
        given = ", ".join(f"{label} {share:.1%}" for label, share in shares)
        texts.append(
            f"The land is one with the class shares that were given ({given}), and the points of each "
            "class are a sample of that class. Points drawn in other shares tell accuracy, kappa and "
            "user's accuracies of land with theirs."
        )
    return texts


def trust(run: Results) -> Section | None:
    """How far probabilities are proportions, of photos and of points."""
    if not run.evaluations:
        return None
    section = Section("Can probabilities be taken at their word?")
    _add_calibration(section, run)
    for unit, name in (("photos", "reliability"), ("points", "reliability_points")):
        try:
            rows = run.photos if unit == "photos" else run.voted
            numbers = reliability_table(rows, REPORT)
        except InputError as error:
            section.parts.append(paragraph(error))
            continue
        _add_reliability(section, unit, name, numbers)
    return section


def _add_calibration(section: Section, run: Results) -> None:
    """Add whether probabilities are calibrated, and how far they are off."""
    rows = [
        {
            "per": unit,
            "calibrated": "yes" if is_calibrated(table) else "no, or not known",
            "compared": e.n,
            "calibration error": e.calibration_error,
            "if perfect": e.calibration_error_if_perfect,
            "Brier score": e.brier_score,
            "log loss": e.log_loss,
        }
        for unit, table in (("photo", run.photos.table), ("point", run.points))
        if (e := run.evaluations.get(unit)) is not None
    ]
    numbers = pd.DataFrame(rows)
    scores = ["calibration error", "if perfect", "Brier score", "log loss"]
    section.tables["calibration"] = numbers
    section.parts.append(
        html_table(
            numbers.assign(**{score: numbers[score].map(_number) for score in scores}),
            "How far probabilities are off",
        )
    )
    section.parts.append(
        paragraph(
            "The calibration error says how far, on the mean, the share that is right is from the "
            "probability given, in bins of a tenth. With few rows it is above 0 also where "
            "probabilities are perfect: beside it is what it would then be."
        )
    )
    points = _calibration_of_points(run)
    if points:
        section.parts.append(paragraph(points))


def _calibration_of_points(run: Results) -> str:
    """On what points' probabilities were calibrated; empty where no model tells."""
    card = run.model.calibration if run.model is not None else None
    if card is None:
        return ""
    points = card.get("points")
    if not points:
        return (
            "The model's points are not calibrated: no point with several photos was held out, so "
            "nothing tells how much its photos say together."
        )
    return f"Points were calibrated on {points['n_points']} held-out points with several photos" + (
        ": few, or none of some class, so that the correction is rough." if points["rough"] else "."
    )


def _add_reliability(section: Section, unit: str, name: str, numbers: pd.DataFrame) -> None:
    """Add the picture of the probabilities of photos or points."""
    section.add_picture(
        lambda: draw_reliability(numbers, 100.0, unit),
        name,
        numbers,
        f"Share of {unit} that is right by the probability of their predicted class, and how many "
        f"{unit} there are; on the dashed line probabilities are proportions.",
    )


def places(run: Results) -> Section:
    """The points on a map."""
    section = Section("Where the points are")
    try:
        numbers = map_table(run.voted, REPORT)
    except InputError as error:
        section.parts.append(paragraph(error))
        return section
    counts = numbers["predicted"].value_counts(sort=False)
    listed = ", ".join(f"{n} {c}" for c, n in counts.items() if n)
    section.add_picture(
        lambda: draw_map(numbers, _WIDTH),
        "map",
        numbers,
        f"Points by predicted class and its probability: {listed}. EPSG:3035; coast: Natural Earth.",
    )
    return section


def change(run: Results) -> Section | None:
    """What changed between campaigns, where enough points were classified in two of them."""
    if not {"point_id", "year"} <= set(run.points.columns):
        return None
    years = run.points[run.points["predicted"].notna()].groupby("point_id")["year"].nunique()
    if (years > 1).sum() < FEWEST:
        return None
    section = Section("Over the years")
    try:
        with _noted() as notes:
            estimated = transitions_and_changes(run.voted, run.model, REPORT)
    except InputError as error:
        section.parts.append(paragraph(error))
        return section
    section.parts.append(
        paragraph(
            "Counting points whose predicted class differs mistakes doubt for change. The estimated "
            "shares are those that make the probabilities of all visits likeliest."
        )
    )
    if notes:
        section.parts.append(bullets(notes, kind="warning"))
    shown = _changed_points(estimated.transitions, estimated.changes)
    section.parts.append(html_table(shown, "Points whose class changed"))
    section.tables["changes"] = estimated.changes
    section.add_picture(
        lambda: draw_transitions(estimated.transitions, _WIDTH),
        "transitions",
        estimated.transitions,
        "Share of points that went from one class to another: estimated, with 95 % interval, and by "
        "counting predicted classes.",
    )
    return section


@contextmanager
def _noted() -> Iterator[list[str]]:
    """Collect what our own warnings and messages tell; those of other libraries are passed on."""
    notes: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        for kind in OURS:
            warnings.simplefilter("always", kind)
        yield notes
    for w in caught:
        if issubclass(w.category, OURS):
            notes.append(str(w.message))
        else:
            warnings.warn_explicit(w.message, w.category, w.filename, w.lineno)


def _changed_points(transitions: pd.DataFrame, changes: pd.DataFrame) -> pd.DataFrame:
    """A row for each two campaigns: the share changed, and the verdicts on points."""
    verdicts = changes.groupby(["year_from", "year_to"])["verdict"].value_counts().unstack()
    rows = []
    for t in transitions.drop_duplicates(["year_from", "year_to"]).to_dict("records"):
        counts = verdicts.loc[(t["year_from"], t["year_to"])]
        rows.append(
            {
                "campaigns": f"{t['year_from']} to {t['year_to']}",
                "points": t["n_points"],
                "changed, by counting": _percent(t["changed_predicted"]),
                "changed, estimated": _percent(t["changed"]),
                "95 %": f"{_percent(t['changed_low'])} to {_percent(t['changed_high'])}",
                **{f"surely {v}" if v != "in doubt" else v: counts[v] for v in counts.index},
            }
        )
    return pd.DataFrame(rows)


def examples(run: Results, *, right: bool) -> Section | None:
    """Photos classified right, or wrong."""
    if not run.evaluations:
        return None
    kind = "right" if right else "wrong"
    section = Section(f"Photos classified {kind}")
    try:
        rows = examples_table(run.photos, right, _EXAMPLES, what=REPORT)
    except InputError as error:
        section.parts.append(paragraph(error))
        return section
    shown = [_example(row) for row in rows.to_dict("records")]
    section.parts.append(element("div", *shown, class_="photos"))
    section.tables[f"photos_{kind}"] = rows
    return section


def doubted(run: Results) -> Section | None:
    """Photos the model was not trained on whose label it doubts."""
    if not run.evaluations:
        return None
    try:
        rows = doubts_table(run.photos, REPORT)
    except InputError:  # no photo is held out
        return None
    if rows.empty:
        return None
    section = Section("Labels to look at")
    n = f"{len(rows)} labels speak" if len(rows) > 1 else "One label speaks"
    section.parts.append(
        paragraph(
            f"{n} against what the model learnt from other points: either the label is wrong or the model "
            "is. Those that are least likely come first."
        )
    )
    shown = rows.head(_EXAMPLES).rename(columns={"label_probability": "reference_probability"})
    figures = [_example(row) for row in shown.to_dict("records")]
    section.parts.append(element("div", *figures, class_="photos"))
    section.tables["doubted_labels"] = rows
    return section


def _example(row: Mapping[Any, Any]) -> Markup:
    """A photo with its class, and its name; where it cannot be read, the reason."""
    label = f"{row['predicted']} {row['confidence']:.2f}"
    if str(row["predicted"]) != row["habitat"]:
        probability = row["reference_probability"]
        label += f"; is {row['habitat']}" + ("" if pd.isna(probability) else f" {probability:.2f}")
    name = base_name(str(row["path"]))
    try:
        pixels = thumbnail(str(row["path"]), _SIDE)
    except PhotoError as error:
        return figure(None, f"{name}: {error}")
    image = element(
        "img",
        src=jpeg_uri(Image.fromarray(pixels)),
        width=pixels.shape[1],  # width and height keep the page from jumping
        height=pixels.shape[0],
        alt=f"Photo {name}, predicted {label}",
    )
    return figure(image, label, element("br"), element("small", name))


def telling_point(run: Results) -> Section | None:
    """The photos of the point that shows best how photos differ."""
    chosen = _telling_point(run.photos.table)
    if chosen is None:
        return None
    rows = point_table(run.photos, *chosen)
    section = Section("The photos of one point")
    section.add_picture(
        lambda: draw_point(rows, _WIDTH),
        "point",
        rows,
        f"Probabilities of the photos of point {chosen[0]}, the one whose photos agree least "
        "among those with the most photos.",
    )
    return section


def _telling_point(photos: pd.DataFrame) -> tuple[str, int | None] | None:
    """The point, and year, whose photos disagree most; ties go to the first. Close-ups do not vote."""
    is_voting = photos["point_id"].notna() & photos["predicted"].notna() & landscape(photos)
    if not is_voting.any():
        return None
    voting = photos[is_voting].assign(predicted=photos["predicted"].astype("str"))
    groups = voting.groupby(["point_id", "year"], dropna=False, sort=False)["predicted"]
    sizes = groups.agg(["size", "nunique"])
    point, year = sizes[sizes["size"] == sizes["size"].max()]["nunique"].idxmax()
    return str(point), None if pd.isna(year) else int(year)


def refused(run: Results) -> Section:
    """The photos that could not be read, of those to classify and of those trained on."""
    section = Section("Photos refused")
    photos = run.photos.table
    status = photos["status"] if "status" in photos else pd.Series("ok", index=photos.index)
    bad = photos[(status != "ok").fillna(False)]
    trained = dict(run.model.training["refused"]) if run.model is not None else {}
    if bad.empty and not trained:
        section.parts.append(paragraph("None: every photo could be read."))
        return section
    counts = bad["status"].astype("str").value_counts() if len(bad) else pd.Series(dtype="int64")
    reasons = sorted(set(counts.index) | set(trained))
    numbers = pd.DataFrame(
        {
            "reason": reasons,
            "meaning": [STATUSES.get(r, "") for r in reasons],
            "classified": [int(counts.get(r, 0)) for r in reasons],
            "training": [int(trained.get(r, 0)) for r in reasons],
        }
    )
    columns = {"classified": "of those to classify", "training": "of those to train on"}
    section.parts.append(html_table(numbers.rename(columns=columns), "Reasons"))
    section.tables["refused"] = numbers
    if len(bad):
        names = bad["path"].map(lambda p: base_name(str(p)))
        errors = bad["error"] if "error" in bad else bad["status"]
        named = [f"{n}: {e}" for n, e in zip(names, errors, strict=True)][:_MOST_REFUSED]
        section.parts.append(bullets(named))
    if len(bad) > _MOST_REFUSED:
        n_more = len(bad) - _MOST_REFUSED
        section.parts.append(paragraph(f"and {n_more} more, see the predictions."))
    return section


def about(run: Results) -> Section:
    """Versions, how to cite, and the survey's line of credit."""
    section = Section("Versions, citation, licence")
    section.parts.append(fact_list({"This page": _versions(library_versions())}))
    if run.model is not None:
        section.parts.append(fact_list({"Training": _versions(run.model.versions)}))
    section.parts.append(paragraph(f"Please cite: {_CITE}"))
    photos = run.photos.table
    years = sorted(set(photos["year"].dropna().astype(int)) & set(CAMPAIGNS))
    if not run.is_drawn and years and is_lucas_id(photos["point_id"].dropna()).any():
        section.parts.append(
            paragraph("Photos of points with LUCAS ids, if they are the survey's, are shown under:")
        )
        section.parts += [paragraph(line, kind="credit") for line in credit(years).splitlines()]
    return section


def _versions(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _number(value: float) -> str:
    return "undefined" if pd.isna(value) else f"{value:.3f}"


def _percent(share: float) -> str:
    return "unknown" if pd.isna(share) else f"{100 * share:.1f} %"


def _spans(table: pd.DataFrame, name: str) -> list[str]:
    """The intervals of a column, as text; empty where there is none."""
    ends = zip(table[f"{name}_low"], table[f"{name}_high"], strict=True)
    return [f"{a:.3f} to {b:.3f}" if pd.notna(a) and pd.notna(b) else "" for a, b in ends]

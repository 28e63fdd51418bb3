"""A model's page, README.md, in the form that hubs of models read: facts for machines, then text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from .._base.cards import SharedCard, one_line
from .._base.version import __version__
from ..model import HabitatModel, describe_fitting, has_equal_shares, quantisation_lines
from .measured import Measured

__all__ = ["readme"]

#: Licences that the hub knows by these names; others are called "other" there, with their own name beside.
_LICENCES = """
apache-2.0 mit bsd-2-clause bsd-3-clause isc zlib unlicense cc0-1.0 cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0
cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0
cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-permissive-1.0 cdla-permissive-2.0 cdla-sharing-1.0
odc-by odbl pddl etalab-2.0 eupl-1.1 eupl-1.2 ecl-2.0 epl-1.0 epl-2.0 mpl-2.0 gpl-2.0 gpl-3.0 lgpl-2.1
lgpl-3.0 agpl-3.0 openrail gfdl artistic-2.0 wtfpl ms-pl
"""

_TAGS = ("lucas-habitat", "habitat", "land-cover", "ground-photos", "biodiversity", "ecology")


def readme(model: HabitatModel, shared: SharedCard, evaluations: list[Measured], file: str) -> str:
    """The page of a shared model.

    Parameters
    ----------
    model : HabitatModel
        As it is shared.
    shared : SharedCard
    evaluations : list of Measured
        Empty where none was given: then what the card has is told, and what lacks is said to lack.
    file : str
        What the zip is called.
    """
    sections = [
        _front(model, shared, evaluations),
        _head(model, shared),
        _use(file),
        _accuracy(model, evaluations),
        _classes(model, evaluations),
        _training(model),
        _calibration(model),
        _limits(model, shared, evaluations),
        _licence(shared),
    ]
    return "\n\n".join(sections) + "\n"


# ---- facts for machines -------------------------------------------------------------------------


def _front(model: HabitatModel, shared: SharedCard, evaluations: list[Measured]) -> str:
    """The YAML that hubs read. Every text is written as JSON has it, which YAML reads alike."""
    licence = shared["licence"].lower()
    lines = ["---"]
    if licence in _LICENCES.split():
        lines += [f"license: {licence}"]
    else:
        name = re.sub("[^a-z0-9.]+", "-", licence).strip("-") or "other"
        link = re.search(r"https://\S+", shared["licence"])
        lines += ["license: other", f"license_name: {_text(name)}"]
        lines += [f"license_link: {_text(link[0])}"] if link else []
    lines += ["library_name: lucas-habitat", "pipeline_tag: image-classification", "tags:"]
    lines += [f"- {tag}" for tag in (*_TAGS, *(("lucas",) if "credit" in shared else ()))]
    results = [_result(e, "credit" in shared) for e in evaluations] or _held_out_result(model)
    if results:
        lines += ["metrics:", "- accuracy", "- cohen_kappa", "model-index:"]
        lines += [f"- name: {_text(shared['title'])}", "  results:"]
        lines += [line for result in results for line in result]
    return "\n".join([*lines, "---"])


def _result(evaluation: Measured, is_lucas: bool) -> list[str]:
    """An evaluation among the results of a model-index."""
    e = evaluation
    named = [("accuracy", "Overall accuracy", e.overall_accuracy, e.overall_accuracy_interval)]
    if e.kappa is not None:
        named.append(("cohen_kappa", "Cohen's kappa", e.kappa, e.kappa_interval))
    for kind, name, key in (("f1", "Macro F1", "macro_f1"), ("log_loss", "Log loss", "log_loss")):
        if key in e.further:
            named.append((kind, name, e.further[key], None))
    dataset = f"{'LUCAS photos' if is_lucas else 'Ground photos'}: {e.rows}"
    return _result_lines(
        dataset,
        "lucas-photos" if is_lucas else "ground-photos",
        [
            (kind, name if kind in ("f1", "log_loss") else f"{name}{_within(interval, e.level)}", v)
            for kind, name, v, interval in named
        ],
    )


def _held_out_result(model: HabitatModel) -> list[list[str]]:
    """What the card has of photos held out from training."""
    held_out = _held_out(model)
    if not held_out:
        return []
    t = model.training
    dataset = (
        f"Held-out photos: {t['n_validation_photos']:,} of {t['n_validation_points']:,} points"
    )
    names = {"accuracy": "Overall accuracy (no interval was computed)"}
    names["cohen_kappa"] = "Cohen's kappa (no interval was computed)"
    metrics = [(kind, names[kind], value) for kind, value in held_out.items()]
    return [_result_lines(dataset, "ground-photos", metrics)]


def _result_lines(dataset: str, kind: str, metrics: Iterable[tuple[str, str, float]]) -> list[str]:
    lines = [
        "  - task:",
        "      type: image-classification",
        "      name: Habitats of ground photos",
        "    dataset:",
        f"      type: {kind}",
        f"      name: {_text(dataset)}",
        "    metrics:",
    ]
    for metric, name, value in metrics:
        lines += [
            f"    - type: {metric}",
            f"      value: {round(value, 4)}",
            f"      name: {_text(name)}",
        ]
    return lines


def _text(text: str) -> str:
    return json.dumps(one_line(text, 500), ensure_ascii=False)


# ---- text ---------------------------------------------------------------------------------------


def _head(model: HabitatModel, shared: SharedCard) -> str:
    """Title, authors, and what the model does."""
    classes = ", ".join(_plain(c) for c in model.classes[:12])
    more = f" and {len(model.classes) - 12} more" if len(model.classes) > 12 else ""
    does = (
        f"A model of lucas-habitat {__version__}, a package for R and Python. It gives each ground photo "
        f"probabilities of {len(model.classes)} classes ({classes}{more}); the photos of a point then vote."
    )
    parts = [f"# {_plain(shared['title'])}", f"By {_plain(', '.join(shared['authors']))}.", does]
    if "description" in shared:
        parts.append(_paragraphs(shared["description"]))
    if "based_on" in shared:
        parts.append(f"Based on {_plain(shared['based_on'])}.")
    return "\n\n".join(parts)


def _use(file: str) -> str:
    """How the model is used, in three languages."""
    return f"""## Use

From the file, or from where it lies (`https://...`, `doi:10.5281/zenodo....`, `hf://owner/name`):

```python
import lucas_habitat as lh
predictions = lh.classify("photos/", {json.dumps(file, ensure_ascii=False)})
points = lh.vote(predictions)
```

```r
library(lucashabitat)
predictions <- lucas_classify("photos/", {json.dumps(file, ensure_ascii=False)})
points <- lucas_vote(predictions)
```

```sh
lucas-habitat classify photos/ --model {json.dumps(file, ensure_ascii=False)} --out predictions.csv
```

Nothing in it is executed: it is JSON, tables, and arrays of numbers (safetensors, npy)."""


def _accuracy(model: HabitatModel, evaluations: list[Measured]) -> str:
    """Accuracy and kappa with intervals; what nobody measured is said not to be known."""
    if evaluations:
        rows = [
            (
                e.rows,
                f"{e.overall_accuracy:.3f}{_within(e.overall_accuracy_interval, e.level)}",
                "not defined"
                if e.kappa is None
                else f"{e.kappa:.3f}{_within(e.kappa_interval, e.level)}",
                ", ".join(f"{_FURTHER[k]} {v:.3f}" for k, v in e.further.items() if k in _FURTHER),
            )
            for e in evaluations
        ]
        told = _table(("evaluated on", "overall accuracy", "kappa", "besides"), rows)
        land = [
            f"The numbers of {e.rows} are {_land(e)}."
            for e in evaluations
            if e.weights or e.class_shares
        ]
        notes = [f"- {_plain(note)}" for e in evaluations for note in e.notes]
        parts = ["## Accuracy", told, *land, *(["\n".join(dict.fromkeys(notes))] if notes else [])]
        parts.append(
            "These evaluations were given by the authors. Intervals count points, not photos."
        )
        return "\n\n".join(parts)
    held_out = _held_out(model)
    if not held_out:
        return (
            "## Accuracy\n\nNot known: no evaluation was given, and no photos were held out in training. "
            "Evaluate it on labelled photos of your own before you rest anything on it."
        )
    t = model.training
    numbers = " and ".join(
        f"{'overall accuracy' if k == 'accuracy' else 'kappa'} {v:.3f}" for k, v in held_out.items()
    )
    return (
        f"## Accuracy\n\nOn {t['n_validation_photos']:,} held-out photos of {t['n_validation_points']:,} "
        f"points, each photo by itself: {numbers}. No interval was computed, and no other evaluation was "
        "given."
        + (" They may have served to calibrate the model, too." if model.calibration else "")
    )


_FURTHER = {
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "log_loss": "log loss",
    "brier_score": "Brier score",
    "calibration_error": "calibration error",
}


def _classes(model: HabitatModel, evaluations: list[Measured]) -> str:
    """One row a class: how many photos it was learned from, and how well it is told."""
    counts = model.training["photos_per_class"]
    columns = ["class", "photos in training"]
    tables = []
    for e in evaluations:
        columns += [f"of {e.unit}s: n", "producer's accuracy", "user's accuracy"]
        tables.append(e.per_class.set_index(e.per_class["class"].astype("str")))
    levels = [] if model.levels is None else list(model.levels.columns[1:])
    rows = []
    for i, label in enumerate(model.classes):
        row = [label, f"{counts.get(label, 0):,}"]
        for table in tables:
            row += _class_accuracy(table, label)
        if model.levels is not None:
            row += [str(model.levels[level].iloc[i]) for level in levels]
        rows.append(tuple(row))
    return f"## Classes\n\n{_table((*columns, *levels), rows)}"


def _class_accuracy(table: pd.DataFrame, label: str) -> list[str]:
    if label not in table.index:
        return ["", "", ""]
    row = table.loc[label]
    shares = (row["producers_accuracy"], row["users_accuracy"])
    return [f"{row['n_reference']:,.0f}", *("" if pd.isna(v) else f"{v:.3f}" for v in shares)]


def _training(model: HabitatModel) -> str:
    """What the model was trained on, and how."""
    t, spec = model.training, model.backbone.spec
    years = ", ".join(map(str, t["years"])) or "not recorded"
    directions = model.training_photos["direction"].dropna().value_counts().to_dict()
    shown = ", ".join(f"{d} {n:,}" for d, n in directions.items()) or "not recorded"
    refused = f"; {t['n_refused']:,} could not be read" if t["n_refused"] else ""
    without = f" ({t['n_without_point']:,} without a point, each a point by itself)"
    without = without if t["n_without_point"] else ""
    how = "as it was published" if t["freeze_backbone"] else "fine-tuned"
    balance = t.get("class_balance", "none")
    return "\n".join(
        [
            "## Trained on",
            "",
            f"- {t['n_photos']:,} photos of {t['n_points']:,} points{without}{refused}",
            f"- years: {years}",
            f"- photos by direction: {shown}",
            f"- network: {_plain(spec['arch'])}, {how}, weights {_plain(spec['weights'])}, "
            f"{spec['size']} x {spec['size']} pixels",
            f"- recipe: {_plain(t['recipe'])}, {describe_fitting(t)}, seed {t['seed']}"
            + ("" if balance == "none" else f", classes balanced ({balance})"),
            *(f"- eight bits: {line}" for line in quantisation_lines(model)),
            f"- made {model.created[:10]}",
        ]
    )


def _calibration(model: HabitatModel) -> str:
    """How far probabilities are proportions."""
    card = model.calibration
    if not card:
        return "## Calibration\n\nNot calibrated: probabilities are scores, not proportions."
    few = " They are few: a rough number." if card["n_points"] < 30 else ""
    text = (
        f"Photos: a temperature of {card['temperature']:.3f}, fitted on {card['n_photos']:,} held-out photos "
        f"of {card['n_points']:,} points.{few}"
    )
    points = card.get("points")
    if not points:
        return f"## Calibration\n\n{text}\n\nVotes of points: not calibrated."
    rough = " It is rough: points are few, or a class lacks." if points["rough"] else ""
    return (
        f"## Calibration\n\n{text}\n\nVotes of points: calibrated on {points['n_points']:,} held-out points "
        f"with several photos.{rough}"
    )


def _limits(model: HabitatModel, shared: SharedCard, evaluations: list[Measured]) -> str:
    """What the model cannot do, as far as it is known by itself."""
    limits = [
        "It knows its classes only: a photo of anything else gets one of them. `flag_unlike` marks photos "
        "that are unlike all that it was trained on.",
        "It was trained where and when its photos were taken. Elsewhere, in other years or seasons, or with "
        "another way of taking photos its accuracy is not known until it is measured there.",
    ]
    if not evaluations:
        limits.append("No evaluation on photos that took no part in training was given.")
    if has_equal_shares(model):
        limits.append(
            "Classes were balanced in training: probabilities are for equal class shares, and shares of land "
            "need `adjust_shares`."
        )
    limits.append(
        "The points that it was trained on are named in it, so that photos of them are marked."
        if shared["names_points"]
        else "It does not name the points that it was trained on, so that photos of them are not marked: an "
        "accuracy on photos that may be among its own is too high. `in_training` tells of photos that you "
        "have whether these very files were trained on, where the model recorded their contents."
    )
    kept = len(model.training_features)
    if kept:
        limits.append(
            f"It holds what its network computed of {kept:,} training photos (not the photos, nor their "
            "names): who has one of these photos can recognise it."
        )
    return "## Limits\n\n" + "\n".join(f"- {limit}" for limit in limits)


def _licence(shared: SharedCard) -> str:
    """The licence, and the credit that the photos ask for."""
    text = (
        f"## Licence and credit\n\nThe model is under the licence {_plain(shared['licence'])}; please name "
        f"{_plain(', '.join(shared['authors']))}."
    )
    if "credit" in shared:
        quoted = "\n".join(f"> {_plain(line)}  " for line in shared["credit"].splitlines())
        text += (
            "\n\nIt was trained on photos of the LUCAS survey. What is made with it must show this, too:"
            f"\n\n{quoted.rstrip()}"
        )
    return text


def _held_out(model: HabitatModel) -> dict[str, float]:
    """Accuracy and kappa of photos held out from training, as far as the card has them."""
    metrics: Mapping[str, Any] = model.card()["metrics"]
    if not model.training["n_validation_photos"]:
        return {}
    named = {"accuracy": metrics.get("val_accuracy"), "cohen_kappa": metrics.get("val_kappa")}
    return {name: float(value) for name, value in named.items() if value is not None}


def _within(interval: tuple[float, float] | None, level: float) -> str:
    if interval is None:
        return " (no interval was computed)"
    return f" ({100 * level:g} % interval {interval[0]:.3f} to {interval[1]:.3f})"


def _land(e: Measured) -> str:
    weighted = ["weighted by the design"] if e.weights else []
    return " and ".join([*weighted, *(["at the land's class shares"] if e.class_shares else [])])


def _table(columns: Iterable[str], rows: Iterable[tuple[str, ...]]) -> str:
    """A table as Markdown has it."""
    head = [_plain(c) for c in columns]
    lines = [head, ["---"] * len(head), *([_plain(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _plain(text: str) -> str:
    """Text in which no letter means anything to Markdown or HTML."""
    return re.sub(r"([\\`*_\[\]<>|#&])", r"\\\1", one_line(text, 1000))


def _paragraphs(text: str) -> str:
    """What the authors wrote themselves, their own Markdown, without HTML."""
    lines = ("".join(c for c in line if c.isprintable()) for line in text.strip().splitlines())
    return "\n".join(lines).replace("<", "&lt;")

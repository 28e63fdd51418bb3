"""What the page shows, as HTML made from tables; no server in here.

Pictures are part of the HTML, so the server hands out no files at all.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from markupsafe import Markup
from PIL import Image

from .._base.classes import column_names
from ..errors import PhotoError
from ..images.decode import Preprocessing, thumbnail
from ..images.heic import NO_HEIC
from ..pages.html import bullets, element, figure, joined, jpeg_uri, paragraph
from ..pictures.colours import class_colours
from .texts import TEXTS
from .uploads import Refused

__all__ = [
    "CSS",
    "Closer",
    "Words",
    "answer",
    "closer",
    "framed",
    "grey_photo",
    "group_name",
    "message",
    "picture",
    "spotlight",
]

CSS = """
:root, .dark {color-scheme: light;}
.gradio-container {max-width: 1180px !important; margin: 0 auto !important;}
.html-container {padding-left: 0 !important; padding-right: 0 !important;}
.lh h2 {font-size: 1.25rem; margin: .6rem 0 .4rem;}
.lh h3 {font-size: 1.05rem; margin: 0 0 .2rem;}
.lh, .lh p, .lh li, .lh h2, .lh h3, .lh figcaption {color: #1b1f24;}
.lh p {margin: .2rem 0;}
.lh .soft {color: #4a5560;}
.lh section {border: 1px solid #c3cad1; border-radius: 8px; padding: .8rem; margin: 0 0 .9rem;
  background: #fff;}
.lh .photos {display: grid; grid-template-columns: repeat(auto-fill, minmax(155px, 1fr));
  gap: .8rem; margin-top: .6rem;}
.lh figure {margin: 0; min-width: 0;}
.lh img {width: 100%; height: auto; border-radius: 4px; display: block; margin: 0;}
.lh figcaption {font-size: .9rem; margin-top: .25rem; overflow-wrap: anywhere;}
.lh ul.bars {list-style: none; margin: .3rem 0; padding: 0; font-size: .9rem; max-width: 34rem;
  display: grid; grid-template-columns: minmax(0, max-content) minmax(2.5rem, 1fr) max-content;
  column-gap: .4rem;}
.lh ul.bars li {display: grid; grid-column: 1 / -1; grid-template-columns: subgrid;
  align-items: center; margin: 0; padding: 1px 0; overflow-wrap: anywhere;}
.lh .photos ul.bars {font-size: .8rem; column-gap: .3rem;}
.lh figure.one {display: grid; grid-template-columns: minmax(0, 26rem) minmax(14rem, 1fr); gap: 1.2rem;
  align-items: start;}
@media (max-width: 700px) {.lh figure.one {grid-template-columns: 1fr;}}
#upload [data-testid=upload-text] {font-size: 0;}
#upload .or {display: none;}
#upload [data-testid=upload-text]::after {content: var(--lh-drop); font-size: 1rem;}
.lh .track {background: #e6e9ec; height: .8rem; border-radius: 2px; overflow: hidden;}
.lh .track span {display: block; height: 100%;}
.lh .share {text-align: right; min-width: 3.2em; font-variant-numeric: tabular-nums;}
.lh .warn {background: #fff3d6; border-left: 4px solid #9a5b00; padding: .3rem .5rem; color: #3d2600;
  border-radius: 3px; margin: .3rem 0;}
.lh .bad {background: #fde8e6; border-left: 4px solid #a3160b; padding: .4rem .6rem; color: #4a0904;
  border-radius: 3px;}
.lh .bad li, .lh .bad h3 {color: #4a0904; overflow-wrap: anywhere;}
.lh .good {background: #e3f4e6; border-left: 4px solid #1c6b2c; padding: .4rem .6rem; color: #0c3314;
  border-radius: 3px;}
"""


@dataclass(frozen=True)
class Closer:
    """A photo looked at closer.

    Attributes
    ----------
    name, habitat : str
        File name and predicted class.
    map : str or None
        What `spotlight` gives, or None where the backbone has no map.
    similar : pandas.DataFrame
        What `similar_photos` gives, and ``path``, missing where the photo is not here.
    """

    name: str
    habitat: str
    map: str | None
    similar: pd.DataFrame


class Words:
    """The page's sentences in one language, as plain text."""

    def __init__(self, language: str) -> None:
        self.language = language

    def __call__(self, key: str, **values: object) -> str:
        """A sentence with values filled in."""
        return TEXTS[self.language][key].format(**values)


def framed(*content: object, language: str | None = None) -> Markup:
    """A part of the page, in its letters and colours."""
    return element("div", *content, class_="lh", lang=language)


def message(kind: str, text: str) -> Markup:
    """A message that a screen reader reads out; ``kind`` is ``good`` or ``bad``."""
    role = "alert" if kind == "bad" else "status"
    return framed(element("p", text, class_=kind, role=role))


def group_name(words: Words, point: object, year: object, key: str = "point") -> str:
    """The name of a point in a year."""
    if pd.isna(year):  # type: ignore[call-overload]
        return words(key, point=point)
    return words(f"{key}_year", point=point, year=year)


def answer(
    words: Words,
    classes: Sequence[str],
    predictions: pd.DataFrame,
    points: pd.DataFrame,
    unlike: npt.NDArray[np.bool_],
    refused: Sequence[Refused],
) -> Markup:
    """The answer to a drop: each point with its vote, each photo with its own.

    Parameters
    ----------
    words : Words
    classes : sequence of str
    predictions : pandas.DataFrame
        What `classify` gives, and ``group``: the number of the photo's row in ``points``, or -1.
    points : pandas.DataFrame
        What `vote` gives.
    unlike : numpy.ndarray
        For each row of predictions, whether it is unlike anything in training.
    refused : sequence of Refused
    """
    is_read = predictions["status"] == "ok"
    parts = [element("h2", words("answer"), tabindex=-1)]
    shown = predictions.assign(unlike=unlike)[is_read]
    for group, photos in shown.groupby(
        shown["group"].where(shown["group"] >= 0, -1 - np.arange(len(shown))), sort=False
    ):
        is_single = len(photos) == 1
        cards = joined(_card(words, classes, row, is_single) for row in photos.to_dict("records"))
        if int(group) < 0 or is_single:
            parts.append(element("section", cards))
        else:
            parts.append(_point(words, classes, points.iloc[int(group)], photos, cards))
    bad = [
        *refused,
        *(
            Refused(os.path.basename(path), "no heic" if error == NO_HEIC else status)
            for path, status, error in predictions.loc[
                ~is_read, ["path", "status", "error"]
            ].itertuples(index=False)
        ),
    ]
    if bad:
        parts.append(_refused(words, bad, nothing=not is_read.any()))
    return framed(*parts, language=words.language)


def _point(
    words: Words,
    classes: Sequence[str],
    point: pd.Series,
    photos: pd.DataFrame,
    cards: Markup,
) -> Markup:
    """A point: its class, how its photos agree, its probabilities, and the photos."""
    name = group_name(words, point["point_id"], point["year"])
    n = int(point["n_photos"])
    agree = words("agree", n=round(point["agreement"] * n), of=n)
    was_trained_on = (photos["split"] == "train").any()
    calibrated = "point_calibrated" if point["calibrated"] else "point_uncalibrated"
    return element(
        "section",
        element("h3", f"{name}: {point['predicted']}"),
        paragraph(agree, kind="soft"),
        _bars(classes, point[column_names(classes)]),
        paragraph(words(calibrated), kind="soft"),
        paragraph(words("seen"), kind="warn") if was_trained_on else "",
        element("div", cards, class_="photos"),
        paragraph(words("directions"), kind="soft"),
        aria_label=name,
    )


def _refused(words: Words, bad: Sequence[Refused], *, nothing: bool) -> Markup:
    """The files that could not be used, with the reason of each."""
    items: list[object] = [f"{r.name}: {words(r.why)}" for r in bad[:20]]
    if len(bad) > 20:
        items.append(f"+ {len(bad) - 20}")
    return element(
        "section",
        element("h3", words("refused")),
        paragraph(words("nothing")) if nothing else "",
        bullets(items),
        class_="bad",
        role="alert",
    )


def _card(words: Words, classes: Sequence[str], row: Mapping[Any, Any], is_single: bool) -> Markup:
    """One photo: picture, class, probabilities, and what to beware of."""
    path = str(row["path"])
    name = os.path.basename(path)
    direction = "" if pd.isna(row["direction"]) else f"{row['direction']}: "
    warnings = [
        paragraph(words(key), kind="warn")
        for key, holds in [
            ("unlike", row["unlike"]),
            ("closeup", row["direction"] == "C" and not is_single),
            ("seen", is_single and row["split"] == "train"),
        ]
        if holds
    ]
    says = element("b", words("photo_says", habitat=row["predicted"]))
    return element(
        "figure",
        element("img", src=picture(path, 420 if is_single else 240), alt=name),
        element(
            "div",
            element("figcaption", direction + name, element("br"), says),
            _bars(classes, [row[c] for c in column_names(classes)]),
            *warnings,
        ),
        class_="one" if is_single else None,
    )


def _bars(classes: Sequence[str], shares: Iterable[object]) -> Markup:
    """The classes' probabilities as bars."""
    colours = class_colours(classes)
    items = []
    for habitat, share in zip(classes, shares, strict=True):
        percent = f"{100 * float(share):.0f}"  # type: ignore[arg-type]
        bar = element("span", style=f"width:{percent}%;background:{colours[habitat]}")
        items.append(
            joined(
                [
                    element("span", habitat),
                    element("span", bar, class_="track", aria_hidden="true"),
                    element("span", f"{percent} %", class_="share"),
                ]
            )
        )
    return bullets(items, kind="bars")


def closer(words: Words, photos: Sequence[Closer], is_cut: bool) -> Markup:
    """For each photo where the model looked, beside the training photos most like it.

    ``is_cut`` says that there were more photos than are shown.
    """
    parts = [paragraph(f"{words('looked_how')} {words('similar_how')}", kind="soft")]
    if any(photo.map is None for photo in photos):
        parts.append(paragraph(words("no_map"), kind="warn"))
    if all(photo.similar["path"].isna().all() for photo in photos):
        parts.append(paragraph(words("similar_none"), kind="soft"))
    if is_cut:
        parts.append(paragraph(words("at_most", n=len(photos)), kind="soft"))
    for photo in photos:
        figures = []
        if photo.map is not None:
            figures.append(_figure(photo.map, words("looked", habitat=photo.habitat), ""))
        for row in photo.similar.to_dict("records"):
            here = "" if pd.isna(row["path"]) else picture(str(row["path"]), 260)
            distance = f"{row['distance']:.2f}"
            what = words("similar", habitat=row["habitat"], distance=distance)
            figures.append(_figure(here, what, str(row["photo"])))
        parts.append(
            element(
                "section",
                element("h3", photo.name),
                element("div", *figures, class_="photos"),
            )
        )
    return framed(*parts, language=words.language)


def _figure(source: str, what: str, name: str) -> Markup:
    """A picture with what it shows, and its file's name."""
    image = element("img", src=source, alt=what) if source else None
    # A long name breaks between its parts first.
    breaking = joined(name.split("_"), joined(["_", element("wbr")]))
    return figure(image, element("b", what), *([element("br"), breaking] if name else []))


def picture(path: str, side: int) -> str:
    """A small upright copy of a photo as text for ``src``; empty if it cannot be read."""
    try:
        return jpeg_uri(Image.fromarray(thumbnail(path, side)))
    except PhotoError:  # a training photo that is no longer what it was
        return ""


def spotlight(path: str, values: npt.NDArray[np.float32], how: Preprocessing, side: int) -> str:
    """Darken what did not count in an activation map; safe for every kind of colour vision."""
    try:
        image = thumbnail(path, side)
    except PhotoError:
        return ""
    height, width = image.shape[:2]
    shown_height = height
    if how.credit == "crop":  # the model never saw the bottom
        shown_height = round(height * (1 - how.credit_share))
    light = Image.fromarray(values).resize((width, shown_height), Image.Resampling.BICUBIC)
    shade = np.zeros((height, width, 1))
    shade[:shown_height, :, 0] = np.asarray(light).clip(0, 1)
    return jpeg_uri(Image.fromarray((image * (0.3 + 0.7 * shade)).astype(np.uint8)))


def grey_photo(path: str | os.PathLike[str]) -> None:
    """Write a photo of nothing, to run the network once before the first real one."""
    Image.new("RGB", (224, 224), (128, 128, 128)).save(path)

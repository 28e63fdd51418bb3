"""What the page shows, as HTML made from tables; no server in here.

Pictures are part of the HTML, so the server hands out no files at all.
"""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from .._base.classes import column_names
from ..errors import PhotoError
from ..images.decode import Preprocessing, thumbnail
from ..images.heic import NO_HEIC
from ..pictures.colours import class_colours
from .texts import TEXTS
from .uploads import Refused

__all__ = [
    "CSS",
    "Closer",
    "Words",
    "answer",
    "closer",
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
    """The page's sentences in one language, ready for HTML."""

    def __init__(self, language: str) -> None:
        self.language = language

    def __call__(self, key: str, **values: object) -> str:
        """Give a sentence with values filled in; all values are escaped."""
        return self.plain(key, **{k: escape(str(v)) for k, v in values.items()})

    def plain(self, key: str, **values: object) -> str:
        """Give a sentence for what shows text as it is; nothing is escaped."""
        return TEXTS[self.language][key].format(**values)


def message(kind: str, text: str) -> str:
    """Give a message that a screen reader reads out; ``kind`` is ``good`` or ``bad``."""
    role = "alert" if kind == "bad" else "status"
    return f'<div class="lh"><p class="{kind}" role="{role}">{text}</p></div>'


def group_name(say: Callable[..., str], point: object, year: object, key: str = "point") -> str:
    """Name a point in a year; ``say`` is `Words` or its ``plain``."""
    if pd.isna(year):  # type: ignore[call-overload]
        return say(key, point=point)
    return say(f"{key}_year", point=point, year=year)


def answer(
    words: Words,
    classes: Sequence[str],
    predictions: pd.DataFrame,
    points: pd.DataFrame,
    unlike: npt.NDArray[np.bool_],
    refused: Sequence[Refused],
) -> str:
    """Give the answer to a drop: each point with its vote, each photo with its own.

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
    columns = column_names(classes)
    ok = predictions["status"] == "ok"
    parts = [f'<h2 tabindex="-1">{words("answer")}</h2>']
    shown = predictions.assign(unlike=unlike)[ok]
    for group, photos in shown.groupby(
        shown["group"].where(shown["group"] >= 0, -1 - np.arange(len(shown))), sort=False
    ):
        one = len(photos) == 1
        cards = "".join(
            _card(words, classes, columns, row, one) for row in photos.to_dict("records")
        )
        if int(group) < 0 or one:
            parts.append(f"<section>{cards}</section>")
            continue
        point = points.iloc[int(group)]
        name = group_name(words, point["point_id"], point["year"])
        of = int(point["n_photos"])
        agree = words("agree", n=round(point["agreement"] * of), of=of)
        seen = f'<p class="warn">{words("seen")}</p>' if (photos["split"] == "train").any() else ""
        parts.append(
            f'<section aria-label="{name}"><h3>{name}: {escape(str(point["predicted"]))}</h3>'
            f'<p class="soft">{agree}</p>{_bars(classes, point[columns])}{seen}'
            f'<div class="photos">{cards}</div><p class="soft">{words("directions")}</p></section>'
        )
    bad = [
        *refused,
        *(
            Refused(os.path.basename(path), "no heic" if error == NO_HEIC else status)
            for path, status, error in predictions.loc[~ok, ["path", "status", "error"]].itertuples(
                index=False
            )
        ),
    ]
    if bad:
        items = "".join(f"<li>{escape(r.name)}: {words(r.why)}</li>" for r in bad[:20])
        more = f"<li>+ {len(bad) - 20}</li>" if len(bad) > 20 else ""
        none = "" if ok.any() else f"<p>{words('nothing')}</p>"
        parts.append(
            f'<section class="bad" role="alert"><h3>{words("refused")}</h3>{none}'
            f"<ul>{items}{more}</ul></section>"
        )
    return f'<div class="lh" lang="{words.language}">{"".join(parts)}</div>'


def _card(
    words: Words, classes: Sequence[str], columns: list[str], row: Mapping[Any, Any], one: bool
) -> str:
    """Give one photo: picture, class, probabilities, and what to beware of."""
    path = str(row["path"])
    name = escape(os.path.basename(path))
    direction = "" if pd.isna(row["direction"]) else f"{row['direction']}: "
    alone = words("photo_says", habitat=row["predicted"])
    notes = [
        f'<p class="warn">{words(key)}</p>'
        for key, holds in [
            ("unlike", row["unlike"]),
            ("closeup", row["direction"] == "C" and not one),
            ("seen", one and row["split"] == "train"),
        ]
        if holds
    ]
    kind = ' class="one"' if one else ""
    return (
        f'<figure{kind}><img src="{picture(path, 420 if one else 240)}" alt="{name}">'
        f"<div><figcaption>{direction}{name}<br><b>{alone}</b></figcaption>"
        f"{_bars(classes, [row[c] for c in columns])}{''.join(notes)}</div></figure>"
    )


def _bars(classes: Sequence[str], shares: Iterable[object]) -> str:
    colours = class_colours(classes)
    items = []
    for habitat, share in zip(classes, shares, strict=True):
        percent = f"{100 * float(share):.0f}"  # type: ignore[arg-type]
        items.append(
            f'<li><span>{escape(habitat)}</span><span class="track" aria-hidden="true"><span '
            f'style="width:{percent}%;background:{colours[habitat]}"></span></span>'
            f'<span class="share">{percent} %</span></li>'
        )
    return f'<ul class="bars">{"".join(items)}</ul>'


def closer(words: Words, photos: Sequence[Closer], cut: bool) -> str:
    """Give for each photo where the model looked, beside the training photos most like it.

    ``cut`` says that there were more photos than are shown.
    """
    parts = [f'<p class="soft">{words("looked_how")} {words("similar_how")}</p>']
    if any(photo.map is None for photo in photos):
        parts.append(f'<p class="warn">{words("no_map")}</p>')
    if all(photo.similar["path"].isna().all() for photo in photos):
        parts.append(f'<p class="soft">{words("similar_none")}</p>')
    if cut:
        parts.append(f'<p class="soft">{words("at_most", n=len(photos))}</p>')
    for photo in photos:
        figures = []
        if photo.map is not None:
            what = words("looked", habitat=photo.habitat)
            figures.append(_figure(photo.map, what, ""))
        for row in photo.similar.to_dict("records"):
            here = "" if pd.isna(row["path"]) else picture(str(row["path"]), 260)
            what = words("similar", habitat=row["habitat"], distance=f"{row['distance']:.2f}")
            figures.append(_figure(here, what, str(row["photo"])))
        parts.append(
            f'<section><h3>{escape(photo.name)}</h3><div class="photos">{"".join(figures)}</div>'
            "</section>"
        )
    return f'<div class="lh" lang="{words.language}">{"".join(parts)}</div>'


def _figure(source: str, what: str, name: str) -> str:
    image = f'<img src="{source}" alt="{what}">' if source else ""
    # A long name breaks between its parts first.
    below = f"<br>{escape(name)}".replace("_", "_<wbr>") if name else ""
    return f"<figure>{image}<figcaption><b>{what}</b>{below}</figcaption></figure>"


def picture(path: str, side: int) -> str:
    """Give a small upright copy of a photo as text for ``src``; empty if it cannot be read."""
    try:
        return _source(Image.fromarray(thumbnail(path, side)))
    except PhotoError:  # a training photo that is no longer what it was
        return ""


def spotlight(path: str, values: npt.NDArray[np.float32], how: Preprocessing, side: int) -> str:
    """Darken what did not count in an activation map; safe for every kind of colour vision."""
    try:
        image = thumbnail(path, side)
    except PhotoError:
        return ""
    height, width = image.shape[:2]
    seen = height
    if how.credit == "crop":  # the model never saw the bottom
        seen = round(height * (1 - how.credit_share))
    light = Image.fromarray(values).resize((width, seen), Image.Resampling.BICUBIC)
    shade = np.zeros((height, width, 1))
    shade[:seen, :, 0] = np.asarray(light).clip(0, 1)
    return _source(Image.fromarray((image * (0.3 + 0.7 * shade)).astype(np.uint8)))


def _source(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def grey_photo(path: str | os.PathLike[str]) -> None:
    """Write a photo of nothing, to run the network once before the first real one."""
    Image.new("RGB", (224, 224), (128, 128, 128)).save(path)

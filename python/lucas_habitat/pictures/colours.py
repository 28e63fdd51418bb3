"""The colours and signs of classes, the same in every picture."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from .._base import words
from .._base.signatures import checked
from ..errors import InputError, some

__all__ = ["class_colours"]

#: Chosen so that any two keep a distance of 20 in CIELAB for normal sight and for protanopia,
#: deuteranopia and tritanopia as Machado et al. (2009) simulate them. The first four also step
#: through the greys.
COLOURS = (
    "#A8325E",
    "#F2CF5B",
    "#6DB56A",
    "#17402F",
    "#0066AA",
    "#FF77FF",
    "#DD1100",
    "#660066",
    "#AA88AA",
    "#440099",
    "#AAEE99",
    "#9911EE",
)

PILOT = ("artificial", "cropland", "grassland", "woody")

# One fewer than colours, so that colour and shape together are unique for 132 classes. The number
# is the sign that R draws most like it.
_MARKERS = (
    ("s", 22),
    ("^", 24),
    ("o", 21),
    ("D", 23),
    ("v", 25),
    ("P", 3),
    ("X", 4),
    ("*", 8),
    ("p", 7),
    ("h", 9),
    ("d", 12),
)


@checked
def class_colours(classes: Iterable[str]) -> dict[str, str]:
    """Give classes the colours that every picture draws them in.

    The pilot's four classes always have their own. Other classes take the remaining colours in
    the order given, so give all classes of a model, in its order, to get the same colours again.
    There are twelve colours; then they repeat, and only the shapes of signs tell classes apart.

    Parameters
    ----------
    classes : iterable of str
        Class labels, each once.

    Returns
    -------
    dict of str to str
        Colours as ``"#RRGGBB"``, in the order of the classes.

    Raises
    ------
    InputError
        If there is no class, or one stands twice.

    References
    ----------
    Machado, G. M. et al. (2009). A physiologically-based model for simulation of color vision
    deficiency. IEEE Transactions on Visualization and Computer Graphics 15, 1291-1298,
    doi 10.1109/TVCG.2009.113.

    Examples
    --------
    >>> class_colours(["woody", "heath"])
    {'woody': '#17402F', 'heath': '#A8325E'}
    """
    return dict(class_styles(classes)[["class", "colour"]].itertuples(index=False, name=None))


def class_styles(classes: Iterable[str]) -> pd.DataFrame:
    """Colour, shape and text colour of classes.

    Returns
    -------
    pandas.DataFrame
        One row a class: ``class``, ``colour``, ``ink`` (black or white, whichever is read better
        on it), ``marker`` (matplotlib's) and ``pch`` (R's).
    """
    labels = [classes] if isinstance(classes, str) else [str(c) for c in classes]
    if not labels:
        raise InputError(f"{words.call('class_colours')} needs at least one class; got none.")
    twice = sorted({c for c in labels if labels.count(c) > 1})
    if twice:
        raise InputError(f"Each class has one colour, but these stand twice: {some(twice)}.")
    own = {c: PILOT.index(c) for c in labels if c in PILOT}
    free = (i for i in range(len(labels) + len(COLOURS)) if i not in own.values())
    slots = [own[c] if c in own else next(free) for c in labels]
    colours = [COLOURS[i % len(COLOURS)] for i in slots]
    return pd.DataFrame(
        {
            "class": labels,
            "colour": colours,
            "ink": ["#000000" if _luminance(c) > 0.179 else "#FFFFFF" for c in colours],
            "marker": [_MARKERS[i % len(_MARKERS)][0] for i in slots],
            "pch": [_MARKERS[i % len(_MARKERS)][1] for i in slots],
        }
    )


def _luminance(colour: str) -> float:
    """WCAG's relative luminance; at 0.179 black and white are read equally well."""
    rgb = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in rgb]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

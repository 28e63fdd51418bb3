"""Made predictions to draw, and what a picture's texts look like."""

import matplotlib
import numpy as np
import pandas as pd

from lucas_habitat._base.classes import column_names
from lucas_habitat.pictures.colours import PILOT

HARD = [
    "woody vegetation", "$cost_{x}$", "_hidden", "græs & <b>hø</b>", "artificial", "A00",
    "wetlands of all kinds",
    "bare rock", "Moorland-and-heathland-mosaic", "water", "snow", "woody",
]  # fmt: skip


def made(classes=PILOT, n_points=40, photos=5, seed=1, skill=3.0):
    """Predictions for points in Denmark, right more often than not."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(rng.integers(len(classes), size=n_points), photos)
    logits = rng.normal(size=(len(truth), len(classes)))
    logits[np.arange(len(truth)), truth] += skill
    p = np.exp(logits)
    p /= p.sum(axis=1, keepdims=True)
    point = np.repeat(np.arange(n_points), photos)
    x, y = 4230 + 2 * (point % 8), 3540 + 2 * (point // 8)
    table = pd.DataFrame(
        {
            "path": [f"nowhere/{i}_{'PNESW'[i % photos]}.jpg" for i in range(len(truth))],
            "point_id": [f"{a}{b}" for a, b in zip(x, y, strict=True)],
            "year": pd.array([2018] * len(truth), dtype="Int64"),
            "direction": [*"PNESW"[:photos]] * n_points,
            "habitat": np.array(classes, dtype=object)[truth],
            "x": x * 1000.0,
            "y": y * 1000.0,
            "predicted": pd.Categorical.from_codes(p.argmax(axis=1), categories=list(classes)),
            "confidence": p.max(axis=1),
        }
    )
    for name, values in zip(column_names(list(classes)), p.T, strict=True):
        table[name] = values
    return table.assign(calibrated=True, status="ok", error="")


def learned(table):
    """The predictions as of a model that learned to trust P and N alone, nearly."""
    weights = "2.4900/2.4900/0.0100/0.0050/0.0050"
    text = (
        "shares 0.2500/0.2500/0.2500/0.2500, mean 0.0000/0.0000/0.0000/0.0000/0.0000, product "
        "0.0000/0.0000/0.0000/0.0000/0.0000, learned weighted_log_mean 99 0.0000/1.0000/"
        f"{weights}/0.0000/0.0000/0.0000/0.0000"
    )
    return table.assign(vote_calibration=text)


def cut_off(figure):
    """Texts that leave the figure."""
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()
    page = figure.bbox.padded(1)
    # Ticks beyond the limits, or of axes that are off, have a text that is not drawn.
    hidden = set()
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
                if not (ax.axison and low <= tick.get_loc() <= high):
                    hidden |= {tick.label1, tick.label2}
    out = []
    for text in set(figure.findobj(matplotlib.text.Text)) - hidden:
        if not text.get_visible() or not text.get_text().strip():
            continue
        box = text.get_window_extent(renderer)
        if box.x0 < page.x0 or box.y0 < page.y0 or box.x1 > page.x1 or box.y1 > page.y1:
            out.append((text.get_text(), box.bounds))
    return out


def overlapping(texts, renderer):
    boxes = [t.get_window_extent(renderer).padded(-0.5) for t in texts if t.get_text().strip()]
    return [(a, b) for i, a in enumerate(boxes) for b in boxes[i + 1 :] if a.overlaps(b)]

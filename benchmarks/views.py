"""What five views seen as one gain: python benchmarks/views.py [--quick] [--drawn-only | --made-only].

Simulated views that err together, of directions that tell as much or not, and drawn demo photos; seeds are
fixed. Nothing but the held-out points teaches the learned vote; all numbers are of other points. Writes the
tables into docs/recipes/views.md, between their markers. About ten minutes on two cores.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

import lucas_habitat as lh
from lucas_habitat.calibration import fit_with_points
from lucas_habitat.images.drawn import draw_demo_photos
from lucas_habitat.model import probabilities_of
from lucas_habitat.point_calibration import VIEWS, from_card, to_text

PAGE = Path(__file__).parents[1] / "docs" / "recipes" / "views.md"
CLASSES = ["artificial", "cropland", "grassland", "woody"]
METHODS = ("majority", "mean", "product", "learned")
#: What directions show of the class: the distance of its scores from the others', in deviations, and the
#: share of photos that show something else.
LAND = {
    "alike": ((1.2,) * 5, (0.0,) * 5),
    "unlike": ((2.0, 1.2, 1.2, 0.8, 0.3), (0.0,) * 5),
    "neighbours' land": ((1.6,) * 5, (0.0, 0.25, 0.25, 0.25, 0.25)),
}


def visits(n, shared, land, lacking, rng):
    """Logits, labels and the photo table of n points, and which classes they are."""
    gaps, strays = (np.array(v) for v in LAND[land])
    truth = rng.integers(0, 4, n)
    shown = np.repeat(truth[:, None], 5, axis=1)
    is_stray = rng.random((n, 5)) < strays
    shown[is_stray] = rng.integers(0, 4, int(is_stray.sum()))
    noise = np.sqrt(shared) * rng.standard_normal((n, 1, 4))
    noise = noise + np.sqrt(1 - shared) * rng.standard_normal((n, 5, 4))
    # One classifier for all directions, 1.7 times too sure.
    logits = 1.7 * gaps.mean() * (gaps[:, None] * np.eye(4)[shown] + noise)
    has = rng.random((n, 5)) >= lacking
    has[:, 0] |= ~has.any(axis=1)
    point = np.repeat(np.arange(n), 5)[has.ravel()]
    table = pd.DataFrame(
        {
            "path": [f"{i}.jpg" for i in range(len(point))],
            "point_id": [f"plot {i}" for i in point],
            "year": 2018,
            "direction": np.tile(VIEWS, n)[has.ravel()],
            "habitat": np.array(CLASSES)[truth][point],
        }
    )
    return logits.reshape(-1, 4)[has.ravel()], truth[point], table


def predictions(logits, table, card):
    """The table that a model with this calibration would give."""
    p = probabilities_of(logits, card["temperature"])
    return table.assign(
        predicted=pd.Categorical.from_codes(p.argmax(axis=1), CLASSES),
        **{f"p_{c}": p[:, i] for i, c in enumerate(CLASSES)},
        calibrated=True,
        vote_calibration=to_text(from_card(card["points"])),
    )


def scores(table):
    """Whether each point is right, its log loss, and its surest probability, by method."""
    of_points = {"one photo": one_photo(table)}
    for method in METHODS:
        points = lh.vote(table, method)
        of_points[method] = scored(points)
    return of_points


def scored(rows):
    """Of each row of photos or points."""
    p = rows[[f"p_{c}" for c in CLASSES]].to_numpy()
    truth = pd.Categorical(rows["habitat"], categories=CLASSES).codes
    right = (rows["predicted"].astype("str") == rows["habitat"]).to_numpy(dtype=float)
    sure = p[np.arange(len(p)), rows["predicted"].cat.codes]
    return np.column_stack([right, -np.log(p[np.arange(len(p)), truth]), sure])


def one_photo(table):
    """The point's own photo, to P, or its first where that is missing."""
    order = np.argsort(table["direction"].ne("P").to_numpy(), kind="stable")
    first = table.iloc[order].drop_duplicates("point_id")
    ids = table["point_id"].drop_duplicates()
    return scored(first.set_index("point_id").loc[ids].reset_index())


def calibration_error(score):
    """The expected calibration error in ten bins."""
    bins = np.minimum((score[:, 2] * 10).astype(int), 9)
    right, sure = (np.bincount(bins, score[:, i], minlength=10) for i in (0, 2))
    return np.abs(right - sure).sum() / len(score)


def spans(differences):
    """Mean and 95 % interval of paired differences over runs."""
    values = np.array(differences)
    if len(values) < 2:
        return f"{values.mean():+.3f}"
    half = 2.57 * values.std(ddof=1) / np.sqrt(len(values))  # Student's t with five degrees
    return f"{values.mean():+.3f} ({values.mean() - half:+.3f} to {values.mean() + half:+.3f})"


def made_row(land, shared, lacking, n, runs):
    """One setting: means over runs."""
    ways: list[str] = []
    numbers: dict[str, list] = {m: [] for m in ("one photo", *METHODS)}
    for run in range(runs):
        rng = np.random.default_rng([run, n, int(10 * shared), list(LAND).index(land)])
        logits, labels, table = visits(n, shared, land, lacking, rng)
        card = fit_with_points(logits, labels, table)
        ways.append(card["points"]["learned"]["method"])
        logits, _, table = visits(2000, shared, land, lacking, rng)
        for method, score in scores(predictions(logits, table, card)).items():
            numbers[method].append((*score[:, :2].mean(axis=0), calibration_error(score)))
    mean = {m: np.mean(v, axis=0) for m, v in numbers.items()}
    learned = np.array(numbers["learned"])
    return {
        "directions": land,
        "errors shared": f"{shared:.0%}",
        "missing": f"{lacking:.0%}",
        "points": n,
        **{f"{m}": f"{mean[m][0]:.3f}" for m in numbers},
        "learned - one photo": spans(learned[:, 0] - np.array(numbers["one photo"])[:, 0]),
        "learned - majority": spans(learned[:, 0] - np.array(numbers["majority"])[:, 0]),
        "log loss mean, learned": f"{mean['mean'][1]:.3f}, {mean['learned'][1]:.3f}",
        "calibration error mean, learned": f"{mean['mean'][2]:.3f}, {mean['learned'][2]:.3f}",
        "chosen": ", ".join(
            f"{way.replace('_', ' ')} {ways.count(way)}" for way in sorted(set(ways))
        ),
    }


def made(quick):
    """The table of simulated views."""
    runs = 2 if quick else 6
    settings = [
        (land, shared, 0.1, n)
        for land in LAND
        for shared in (0.0, 0.3, 0.6)
        for n in ((50,) if quick else (50, 150, 500))
    ]
    if not quick:
        settings += [(land, 0.3, 0.5, 150) for land in LAND]
    return pd.DataFrame([made_row(*setting, runs) for setting in settings])


def drawn(quick):
    """The table of drawn photos: a model of few points, and what it gains by held-out ones."""
    n_points, folds, n_train, n_held_out = (120, 1, 24, 60) if quick else (700, 5, 40, 250)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        draw_demo_photos(
            Path(folder) / "photos", n_points=n_points, seed=7, size=(320, 240), progress=False
        )
        photos = lh.list_photos(Path(folder) / "photos")
        photos = photos[photos["point_id"].notna()]
        for seed in range(1, folds + 1):
            rows.append(drawn_row(photos, n_train, n_held_out, seed))
    return pd.DataFrame(rows)


def drawn_row(photos, n_train, n_held_out, seed):
    """One draw of points to train on, to learn the vote from, and to test on."""
    ids = np.random.default_rng(seed).permutation(photos["point_id"].unique())
    parts = np.split(ids, [n_train, n_train + n_held_out])
    train, held_out, test = (photos[photos["point_id"].isin(part)] for part in parts)
    model = lh.train(
        train, validation=held_out, arch="efficientnet_lite0", seed=seed, progress=False
    )
    table = lh.classify(test, model, progress=False)
    gain = lh.vote_gain(table, by="method").set_index("method")
    more = lh.train(
        pd.concat([train, held_out]), arch="efficientnet_lite0", seed=seed, progress=False
    )
    points = lh.vote(lh.classify(test, more, progress=False))
    with_more = lh.evaluate(points, n_boot=0).overall_accuracy

    def shown(column):
        value, low, high = (gain.loc["learned", f"{column}{end}"] for end in ("", "_low", "_high"))
        return f"{value:+.3f} ({low:+.3f} to {high:+.3f})"

    way = model.calibration["points"]["learned"]["method"].replace("_", " ")
    return {
        "draw": seed,
        **{m: f"{gain.loc[m, 'accuracy']:.3f}" for m in gain.index},
        "learned - one photo": shown("gain_photo"),
        "learned - majority": shown("gain_majority"),
        "log loss mean, learned": ", ".join(
            f"{gain.loc[m, 'log_loss']:.3f}" for m in ("mean", "learned")
        ),
        "chosen": way,
        "majority of a model trained on those points too": f"{with_more:.3f}",
    }


def markdown(frame):
    """A table as Markdown."""
    lines = [
        list(frame.columns),
        ["---"] * frame.shape[1],
        *frame.astype("str").to_numpy().tolist(),
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def write(name, text):
    """Put a table between its markers on the page."""
    page = PAGE.read_text(encoding="utf-8")
    pattern = re.compile(f"<!-- {name} -->.*?<!-- /{name} -->", re.DOTALL)
    if not pattern.search(page):
        raise SystemExit(f"{PAGE} has no place for {name}.")
    new = f"<!-- {name} -->\n\n{text}\n\n<!-- /{name} -->"
    PAGE.write_text(pattern.sub(lambda _: new, page), encoding="utf-8")


def main():
    """Make the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small cut; writes nothing")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--drawn-only", action="store_true")
    only.add_argument("--made-only", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    for name, table, is_left_out in (
        ("made", made, options.drawn_only),
        ("drawn", drawn, options.made_only),
    ):
        if not is_left_out:
            text = markdown(table(options.quick))
            print(f"{name}\n\n{text}\n", flush=True)
            if not options.quick:
                write(name, text)


if __name__ == "__main__":
    main()

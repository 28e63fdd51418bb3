"""How often evaluate()'s 95 % intervals hold the truth, and how wide they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from common import Table, chance_of_coverage
from scipy import stats

from lucas_habitat._base.bootstrap import alike, draws, percentile_interval
from lucas_habitat._base.intervals import ratio_of, worth_of
from lucas_habitat.agreement.cells import Cells, cells_of
from lucas_habitat.agreement.compared import Sample
from lucas_habitat.agreement.doubt import intervals
from lucas_habitat.agreement.measures import measures
from lucas_habitat.comparison import _interval, _values

LEVEL = 0.95
SHARES = np.array([0.4, 0.3, 0.2, 0.1])  # of the classes
RARER = np.array(
    [0.85, 0.1, 0.04, 0.01]
)  # of other land: one error of the first outweighs the last
HARDER = np.array([-0.5, 0.0, 0.5, 1.0])  # classes differ: by so much of the mean error rate
K = len(SHARES)


class Land(NamedTuple):
    """Points as they are drawn: how many, their photos, and how alike the errors of these are."""

    points: int
    photos: int
    #: Correlation of the normal variables behind the errors of a point's photos.
    correlation: float
    accuracy: float

    @property
    def accuracies(self) -> np.ndarray:
        """Of the classes; their mean over the land is `accuracy`."""
        error = (1 - self.accuracy) * (1 + HARDER)
        return 1 - error * (1 - self.accuracy) / (SHARES @ error)

    def judged(
        self,
        rng: np.random.Generator,
        truth: np.ndarray,
        point: np.ndarray,
        row: np.ndarray,
        likeness: float,
    ) -> np.ndarray:
        """Confusion matrices of points of these classes, from how hard they and their photos are.

        What is hard has the correlation `likeness` with what is given.
        """
        own = np.sqrt(1 - likeness)
        point = np.sqrt(likeness) * point + own * rng.normal(size=point.shape)
        row = np.sqrt(likeness) * row + own * rng.normal(size=row.shape)
        noise = np.sqrt(self.correlation) * point + np.sqrt(1 - self.correlation) * row
        is_right = noise < stats.norm.ppf(self.accuracies[truth])[:, None]
        # A point's errors are half of one wrong class, half of any.
        alike = np.broadcast_to(rng.integers(1, K, (len(truth), 1)), row.shape)
        other = np.where(rng.random(row.shape) < 0.5, alike, rng.integers(1, K, row.shape))
        guess = np.where(is_right, truth[:, None], (truth[:, None] + other) % K)
        counts = np.zeros((len(truth), K, K))
        np.add.at(counts, (np.arange(len(truth))[:, None], guess, truth[:, None]), 1.0)
        return counts

    def drawn(self, rng: np.random.Generator) -> np.ndarray:
        """Confusion matrices of points drawn at random."""
        truth = rng.choice(K, self.points, p=SHARES)
        shape = (self.points, self.photos)
        return self.judged(rng, truth, rng.normal(size=(shape[0], 1)), rng.normal(size=shape), 1.0)

    def truth(self, shares: np.ndarray = SHARES) -> np.ndarray:
        """The confusion matrix in shares, of all land there is."""
        accuracies = self.accuracies
        confusion = np.tile(shares * (1 - accuracies) / (K - 1), (K, 1))
        np.fill_diagonal(confusion, shares * accuracies)
        return confusion


def lands(quick: bool) -> Iterator[Land]:
    """What is simulated."""
    for photos, correlation in ((1, 0.0), (5, 0.3), (5, 0.6)):
        for points in (30, 100) if quick else (30, 100, 300):
            for accuracy in (0.7, 0.97) if quick else (0.7, 0.8, 0.9, 0.95, 0.97, 0.99):
                yield Land(points, photos, correlation, accuracy)


def cells(counts: np.ndarray) -> Cells:
    """The filled cells of points' confusion matrices."""
    flat = counts.reshape(len(counts), -1)
    point, cell = np.nonzero(flat)
    rows = flat[point, cell].astype(int)
    return cells_of(np.repeat(point, rows), np.repeat(cell, rows), flat.shape[1])


def exact_width(counts: np.ndarray) -> tuple[float, float, float]:
    """The Clopper-Pearson interval of overall accuracy on the same effective number, and its width."""
    right = np.einsum("pcc->p", counts)[:, None]
    ratio = ratio_of(right, counts.sum(axis=(1, 2))[:, None])
    n = 1 / worth_of(ratio, len(counts), LEVEL).inverse
    x = ratio.value[0] * n
    low = stats.beta.ppf((1 - LEVEL) / 2, x, n - x + 1) if x > 0 else 0.0
    high = stats.beta.ppf((1 + LEVEL) / 2, x + 1, n - x) if x < n else 1.0
    return low, high, high - low


def judged(land: Land, repeats: int, seed: int) -> dict[str, object]:
    """Coverage of each measure's interval, and widths of that of overall accuracy."""
    rng = np.random.default_rng(seed)
    truth = {**measures(land.truth())._asdict(), "share": SHARES}
    held: dict[str, list[np.ndarray]] = {name: [] for name in (*truth, "exact")}
    widths, exact_widths = [], []
    for i in range(repeats):
        counts = land.drawn(rng)
        spans = intervals(Sample(cells(counts), K), 100, LEVEL, i)
        for name, (low, high) in spans._asdict().items():
            is_held = (low <= truth[name]) & (truth[name] <= high)
            held[name].append(np.where(np.isnan(low), np.nan, is_held).ravel())
        low, high, width = exact_width(counts)
        held["exact"].append(np.array([low <= truth["overall_accuracy"] <= high], dtype=float))
        widths.append(spans.overall_accuracy.high - spans.overall_accuracy.low)
        exact_widths.append(width)
    coverage = {name: np.nanmean(np.concatenate(hits)) for name, hits in held.items()}
    return {
        "points": land.points,
        "rows": "one" if land.photos == 1 else f"5, {land.correlation:g} alike",
        "accuracy": land.accuracy,
        "overall": f"{100 * coverage['overall_accuracy']:.1f}",
        "width": f"{np.mean(widths):.3f}",
        "exact": f"{100 * coverage['exact']:.1f}",
        "its width": f"{np.mean(exact_widths):.3f}",
        "kappa": f"{100 * coverage['kappa']:.1f}",
        "producer's": f"{100 * coverage['producers_accuracy']:.1f}",
        "user's": f"{100 * coverage['users_accuracy']:.1f}",
        "F1": f"{100 * coverage['f1']:.1f}",
        "share": f"{100 * coverage['share']:.1f}",
    }


def percentiles(land: Land, repeats: int, seed: int) -> dict[str, object]:
    """Coverage of the percentile bootstrap of the same draws: what evaluate() gave before."""
    rng = np.random.default_rng(seed)
    truth = measures(land.truth())
    names = ("overall_accuracy", "kappa", "producers_accuracy", "users_accuracy", "f1")
    held: dict[str, list[np.ndarray]] = {name: [] for name in names}
    empty = []
    for i in range(repeats):
        counts = land.drawn(rng)
        kinds, times = alike(counts.reshape(len(counts), -1))
        (weights,) = draws(times, 500, np.random.default_rng(i))
        samples = measures((weights @ kinds).reshape(-1, K, K))
        for name in names:
            low, high = percentile_interval(getattr(samples, name), LEVEL)
            is_held = (low <= getattr(truth, name)) & (getattr(truth, name) <= high)
            held[name].append(np.where(np.isnan(low), np.nan, is_held).ravel())
            if name == "producers_accuracy":
                empty.append(np.mean(high == low))
    coverage = [f"{100 * np.nanmean(np.concatenate(hits)):.1f}" for hits in held.values()]
    shown = ("overall", "kappa", "producer's", "user's", "F1")
    return {
        "points": land.points,
        "rows": "one" if land.photos == 1 else f"5, {land.correlation:g} alike",
        "accuracy": land.accuracy,
        **dict(zip(shown, coverage, strict=True)),
        "without width": f"{100 * np.mean(empty):.0f} %",
    }


def compared(
    land: Land, better: float, likeness: float, repeats: int, seed: int
) -> dict[str, object]:
    """Coverage of the difference of two models whose errors are so alike."""
    rng = np.random.default_rng(seed)
    lands = (land, land._replace(accuracy=better))
    truth = np.subtract(*[_values(each.truth()) for each in reversed(lands)])
    held, widths = [], []
    for i in range(repeats):
        classes = rng.choice(K, land.points, p=SHARES)
        point = rng.normal(size=(land.points, 1))
        row = rng.normal(size=(land.points, land.photos))
        counts = np.stack(
            [each.judged(rng, classes, point, row, likeness) for each in lands], axis=1
        )
        low, high = _interval(cells(counts), K, 200, LEVEL, i)
        held.append((low <= truth) & (truth <= high))
        widths.append(high - low)
    coverage, width = 100 * np.mean(held, axis=0), np.mean(widths, axis=0)
    return {
        "points": land.points,
        "rows": "one" if land.photos == 1 else f"5, {land.correlation:g} alike",
        "accuracies": f"{land.accuracy:g}, {better:g}",
        "errors alike": likeness,
        "accuracy": f"{coverage[0]:.1f}",
        "width": f"{width[0]:.3f}",
        "kappa": f"{coverage[1]:.1f}",
        "macro F1": f"{coverage[2]:.1f}",
    }


def at_shares(
    shares: np.ndarray, points: int, photos: int, accuracy: float, repeats: int, seed: int
) -> dict[str, object]:
    """Coverage at the land's shares of a sample balanced by class."""
    rng = np.random.default_rng(seed)
    land = Land(points, photos, 0.3 if photos > 1 else 0.0, accuracy)
    truth = measures(land.truth(shares))
    names = ("overall_accuracy", "kappa", "users_accuracy", "f1")
    held: dict[str, list[np.ndarray]] = {name: [] for name in names}
    widths = []
    for i in range(repeats):
        classes = np.repeat(np.arange(K), points)
        point, row = rng.normal(size=(len(classes), 1)), rng.normal(size=(len(classes), photos))
        counts = land.judged(rng, classes, point, row, 1.0)
        spans = intervals(Sample(cells(counts), K, shares), 1, LEVEL, i)
        for name in names:
            low, high = getattr(spans, name)
            is_held = (low <= getattr(truth, name)) & (getattr(truth, name) <= high)
            held[name].append(np.where(np.isnan(low), np.nan, is_held).ravel())
        widths.append(spans.overall_accuracy.high - spans.overall_accuracy.low)
    coverage = [f"{100 * np.nanmean(np.concatenate(hits)):.1f}" for hits in held.values()]
    worst = [f"{100 * np.nanmean(held[name], axis=0).min():.1f}" for name in names[2:]]
    return {
        "land": ", ".join(f"{100 * share:g}" for share in shares),
        "points a class": points,
        "rows": "one" if photos == 1 else "5, 0.3 alike",
        "accuracy": accuracy,
        "overall": coverage[0],
        "width": f"{np.mean(widths):.3f}",
        "kappa": coverage[1],
        "user's": coverage[2],
        "worst class": worst[0],
        "F1": coverage[3],
        "its worst class": worst[1],
    }


def tables(quick: bool) -> list[Table]:
    """What docs/trust.md shows."""
    repeats = 150 if quick else 1000
    world = (
        "Four classes with shares of 0.4, 0.3, 0.2 and 0.1; the rarer a class, the likelier its "
        "errors (at an accuracy of 0.7 from 0.85 to 0.40). A point has one row, or five photos whose "
        "errors stem from normal variables that correlate by so much. "
    )
    lands_compared = [
        (Land(n, photos, 0.3 if photos > 1 else 0.0, first), second, likeness)
        for photos in (1, 5)
        for n in ((30, 100) if quick else (30, 100, 300))
        for first, second in ((0.8, 0.8), (0.9, 0.97), (0.99, 0.99))
        for likeness in (0.3, 0.9)
    ]
    before = [
        Land(n, photos, c, 0.97) for photos, c in ((1, 0.0), (5, 0.3)) for n in (30, 100, 300)
    ]
    return [
        Table(
            "How many of 95 % intervals hold the truth",
            f"{world}{chance_of_coverage(repeats)} In per cent; for classes the mean over the four. "
            "`exact` is the Clopper-Pearson interval on the same effective number of rows. Where few "
            "errors are expected, coverage lies above 97 by design: numbers of errors are whole, and an "
            "interval that leaves out the next number holds less than 93. Below 93 are user's accuracies of "
            "30 points with five photos at 0.7 and overall accuracy where the whole "
            "numbers lie badly (100 rows, 0.9).",
            pd.DataFrame([judged(land, repeats, i) for i, land in enumerate(lands(quick))]),
        ),
        Table(
            "The percentile bootstrap on the same samples",
            f"{world}{chance_of_coverage(repeats // 2)} `without width`: classes whose interval of "
            "producer's accuracy was one number, such as [1.000, 1.000].",
            pd.DataFrame([percentiles(land, repeats // 2, i) for i, land in enumerate(before)]),
        ),
        Table(
            "At the land's class shares, from samples balanced by class",
            f"{world}{chance_of_coverage(repeats)} A sample has as many points of each class; "
            "`class_shares` are those of the land (per cent). `worst class`: the class held "
            "least.",
            pd.DataFrame(
                [
                    at_shares(shares, n, photos, accuracy, repeats, n)
                    for shares in (SHARES, RARER)
                    for photos in (1, 5)
                    for n in (8, 25, 100)
                    for accuracy in ((0.7, 0.97) if quick else (0.7, 0.9, 0.97, 0.99))
                ]
            ),
        ),
        Table(
            "Differences of two models on the same points",
            f"{world}{chance_of_coverage(repeats // 2)} What is hard for one model has the correlation "
            "`errors alike` with what is hard for the other. `width` is that of the difference of overall "
            "accuracy.",
            pd.DataFrame(
                [compared(*given, repeats // 2, i) for i, given in enumerate(lands_compared)]
            ),
        ),
    ]

"""How good is it: overall accuracy, kappa, per class, with intervals that respect points."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ._base.checks import check_number, check_seed
from ._base.classes import classes_of
from ._base.tables import read_table, require_columns
from .errors import InputError, some

__all__ = ["Evaluation", "evaluate"]

Counts = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Accuracy of predictions. Print it to read it.

    An evaluation is equal to itself only; to compare the numbers of two, compare their `as_dict()`.

    Attributes
    ----------
    overall_accuracy, kappa : float
    overall_accuracy_interval, kappa_interval : tuple of float
        Percentile bootstrap over points, at ``level``.
    confusion : pandas.DataFrame
        Counts, **rows predicted, columns reference**.
    per_class : pandas.DataFrame
        One row a class: ``class``, ``n_reference``, ``n_predicted``, ``producers_accuracy``
        (recall: of the reference's, how many were found), ``users_accuracy`` (precision: of the
        predicted, how many are right), ``f1``, and ``*_low``/``*_high`` of the first two.
    unit : str
        ``"photo"`` or ``"point"``: what a row of the table was.
    n, n_points : int
        Rows compared, and points behind them.
    n_unlabelled, n_unread : int
        Rows left out: without a reference class, without a prediction.
    level : float
    notes : list of str
        What to know before quoting the numbers.
    """

    overall_accuracy: float
    overall_accuracy_interval: tuple[float, float]
    kappa: float
    kappa_interval: tuple[float, float]
    confusion: pd.DataFrame
    per_class: pd.DataFrame
    unit: str
    n: int
    n_points: int
    n_unlabelled: int
    n_unread: int
    level: float
    n_boot: int
    seed: int
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as they are written to JSON; undefined numbers are None."""
        return {
            "unit": self.unit,
            "n": self.n,
            "n_points": self.n_points,
            "n_unlabelled": self.n_unlabelled,
            "n_unread": self.n_unread,
            "overall_accuracy": plain(self.overall_accuracy),
            "overall_accuracy_interval": [plain(v) for v in self.overall_accuracy_interval],
            "kappa": plain(self.kappa),
            "kappa_interval": [plain(v) for v in self.kappa_interval],
            "level": self.level,
            "n_boot": self.n_boot,
            "seed": self.seed,
            "classes": self.confusion.columns.tolist(),
            "confusion_rows": "predicted",
            "confusion": self.confusion.to_numpy().tolist(),
            "per_class": [
                {k: plain(v) for k, v in row.items()} for row in self.per_class.to_dict("records")
            ],
            "notes": list(self.notes),
        }

    def _rows(self) -> str:
        if self.unit == "photo":
            return f"{self.n} photos of {self.n_points} points"
        # vote() gives a point a row for each of its years.
        years = f" in {self.n} point-years" if self.n != self.n_points else ""
        return f"{self.n_points} points{years}"

    def __repr__(self) -> str:
        def line(name: str, value: float, interval: tuple[float, float]) -> str:
            return f"{name:<17} {value:.3f}" + (
                f"   {100 * self.level:g}% interval {interval[0]:.3f} to {interval[1]:.3f}"
                if self.n_boot
                else ""
            )

        table = self.per_class[
            ["class", "producers_accuracy", "users_accuracy", "f1", "n_reference"]
        ]
        return "\n".join(
            [
                f"Evaluation of {self._rows()}",
                line("overall accuracy", self.overall_accuracy, self.overall_accuracy_interval),
                line("kappa", self.kappa, self.kappa_interval),
                "",
                "confusion (rows predicted, columns reference)",
                self.confusion.to_string(),
                "",
                table.to_string(index=False, float_format=lambda v: f"{v:.3f}"),
                *(f"note: {note}" for note in self.notes),
            ]
        )


def evaluate(
    predictions: pd.DataFrame | str | os.PathLike[str],
    *,
    reference: str = "habitat",
    n_boot: int = 2000,
    level: float = 0.95,
    seed: int = 1,
) -> Evaluation:
    """Compare predicted with reference classes.

    Parameters
    ----------
    predictions : pandas.DataFrame or path
        What `classify` or `vote` returned: ``predicted`` and the reference column, with
        ``point_id`` where photos have points.
    reference : str, default "habitat"
        The column that holds the true class.
    n_boot : int, default 2000
        Bootstrap samples; 0 gives no intervals. Whole points are drawn, because photos of one
        point, and a point's years, are not independent.
    level : float, default 0.95
        Of the intervals.
    seed : int, default 1

    Returns
    -------
    Evaluation
        Accuracies are shares, 0 to 1; kappa is at most 1. A value that is undefined, such as the
        user's accuracy of a class never predicted, is NaN with a note.

    Raises
    ------
    InputError
        If columns are missing, or no row has both classes.

    References
    ----------
    Cohen 1960, A coefficient of agreement for nominal scales, doi 10.1177/001316446002000104.
    Congalton 1991, A review of assessing the accuracy of classifications of remotely sensed data,
    doi 10.1016/0034-4257(91)90048-B.
    """
    check_number("n_boot", n_boot, 0, whole=True)
    seed = check_seed(seed)
    check_number("level", level, 0, 1, open_low=True, open_high=True)
    table = predictions if isinstance(predictions, pd.DataFrame) else read_table(predictions)
    require_columns(
        table,
        ["predicted", reference],
        "evaluate()",
        "predicted comes from classify() or vote(); name the true class with reference=.",
    )
    labelled, read = table[reference].notna(), table["predicted"].notna()
    kept = table[labelled & read]
    if kept.empty:
        raise InputError(
            f"No row of {len(table)} has both a predicted and a reference class: {int(labelled.sum())} "
            f"have {reference}, {int(read.sum())} have predicted."
        )
    # Labels that a CSV has turned into column names are looked up in the reference, too.
    classes = classes_of(table.assign(habitat=table[reference]))
    truth, guess = kept[reference].astype("str"), kept["predicted"].astype("str")
    unknown = sorted((set(truth) | set(guess)) - set(classes))
    classes = classes + unknown
    groups, n_points = _groups(kept)
    codes = {c: i for i, c in enumerate(classes)}
    cells = guess.map(codes).to_numpy() * len(classes) + truth.map(codes).to_numpy()
    cube = np.zeros((n_points, len(classes) ** 2))
    np.add.at(cube, (groups, cells), 1.0)
    counts = cube.sum(axis=0).reshape(len(classes), len(classes))
    n_unlabelled, n_unread = int((~labelled).sum()), int((labelled & ~read).sum())

    values = measures(counts[None])[0]
    low, high = _intervals(cube, len(classes), int(n_boot), level, seed)
    k = len(classes)
    per_class = pd.DataFrame(
        {
            "class": classes,
            "n_reference": counts.sum(axis=0).astype(int),
            "n_predicted": counts.sum(axis=1).astype(int),
            "producers_accuracy": values[2 : 2 + k],
            "producers_low": low[2 : 2 + k],
            "producers_high": high[2 : 2 + k],
            "users_accuracy": values[2 + k : 2 + 2 * k],
            "users_low": low[2 + k : 2 + 2 * k],
            "users_high": high[2 + k : 2 + 2 * k],
            "f1": values[2 + 2 * k :],
        }
    )
    confusion = pd.DataFrame(
        counts.astype(int),
        index=pd.Index(classes, name="predicted"),
        columns=pd.Index(classes, name="reference"),
    )
    return Evaluation(
        overall_accuracy=float(values[0]),
        overall_accuracy_interval=(float(low[0]), float(high[0])),
        kappa=float(values[1]),
        kappa_interval=(float(low[1]), float(high[1])),
        confusion=confusion,
        per_class=per_class,
        unit="point" if "n_photos" in table else "photo",
        n=len(kept),
        n_points=n_points,
        n_unlabelled=n_unlabelled,
        n_unread=n_unread,
        level=float(level),
        n_boot=int(n_boot),
        seed=int(seed),
        notes=_notes(
            per_class,
            values[1],
            unknown,
            n_unlabelled,
            n_unread,
            n_points,
            int(n_boot),
            level,
            kept,
            truth,
        ),
    )


def _groups(table: pd.DataFrame) -> tuple[npt.NDArray[np.intp], int]:
    """Number the points of the rows; a row without a point is one of its own."""
    if "point_id" not in table:
        return np.arange(len(table)), len(table)
    own = pd.Series([f"\0{i}" for i in range(len(table))], index=table.index)
    codes, names = pd.factorize(table["point_id"].where(table["point_id"].notna(), own))
    return codes, len(names)


def measures(counts: Counts) -> Counts:
    """Overall accuracy, kappa, producer's, user's accuracies and F1 of (m, k, k) tables."""
    total = counts.sum(axis=(1, 2))
    predicted, truth = counts.sum(axis=2), counts.sum(axis=1)
    right = np.diagonal(counts, axis1=1, axis2=2)
    with np.errstate(divide="ignore", invalid="ignore"):
        accuracy = right.sum(axis=1) / total
        chance = (predicted * truth).sum(axis=1) / total**2
        # Only one class on both sides: agreement by chance is certain and kappa has no meaning.
        kappa = np.where(chance < 1, (accuracy - chance) / (1 - chance), np.nan)
        producers, users = right / truth, right / predicted
        f1 = 2 * right / (truth + predicted)
    return np.column_stack([accuracy, kappa, producers, users, f1])


def _intervals(cube: Counts, k: int, n_boot: int, level: float, seed: int) -> tuple[Counts, Counts]:
    if n_boot == 0:
        nothing = np.full(2 + 3 * k, np.nan)
        return nothing, nothing
    rng = np.random.default_rng(seed)
    n = len(cube)
    # Points alike are drawn together: fast, and the order of rows makes no difference.
    kinds, times = np.unique(cube, axis=0, return_counts=True)
    drawn = []
    step = max(1, 2_000_000 // len(kinds))  # bounds memory, however many points there are
    for start in range(0, n_boot, step):
        weights = rng.multinomial(n, times / n, size=min(step, n_boot - start))
        drawn.append(measures((weights @ kinds).reshape(-1, k, k)))
    tail = (1 - level) / 2
    samples = np.concatenate(drawn)
    undefined = np.isnan(samples).all(axis=0)
    samples[:, undefined] = 0.0  # spares nanquantile's warning; put back below
    low, high = np.nanquantile(samples, [tail, 1 - tail], axis=0)
    low[undefined] = high[undefined] = np.nan
    return low, high


def _notes(
    per_class: pd.DataFrame,
    kappa: float,
    unknown: list[str],
    n_unlabelled: int,
    n_unread: int,
    n_points: int,
    n_boot: int,
    level: float,
    kept: pd.DataFrame,
    reference: pd.Series,
) -> list[str]:
    notes = []
    never = per_class.loc[per_class["n_predicted"] == 0, "class"].tolist()
    absent = per_class.loc[per_class["n_reference"] == 0, "class"].tolist()
    if never:
        notes.append(f"never predicted, so user's accuracy is undefined: {some(never)}")
    if absent:
        notes.append(
            f"absent from the reference, so producer's accuracy is undefined: {some(absent)}"
        )
    nowhere = [c for c in never if c in absent]
    if nowhere:
        notes.append(f"neither predicted nor in the reference, so F1 is undefined: {some(nowhere)}")
    if np.isnan(kappa):
        notes.append("kappa is undefined: all predictions and references are of one class")
    if unknown:
        notes.append(f"the model does not know {some(unknown)}; these rows can only be errors")
    if n_unread:
        notes.append(
            f"{n_unread} labelled rows have no prediction (unreadable photos) and are left out"
        )
    if n_unlabelled:
        notes.append(f"{n_unlabelled} rows have no reference class and are left out")
    accuracy = float((kept["predicted"].astype("str") == reference).mean())
    if n_boot and accuracy in (0.0, 1.0):
        # Clopper and Pearson's bound for n of n.
        bound = ((1 - level) / 2) ** (1 / n_points)
        notes.append(
            f"all are {'right, so resampling shows no doubt; with' if accuracy else 'wrong; with'} "
            f"{n_points} points overall accuracy may be "
            + (f"as low as {bound:.2f}" if accuracy else f"as high as {1 - bound:.2f}")
        )
    if n_boot and n_points < 30:
        notes.append(f"only {n_points} points: intervals are rough")
    if "split" in kept and (kept["split"] == "train").any():
        notes.append("rows of the training split are among these: accuracy is overstated")
    return notes


def plain(value: Any) -> Any:
    if isinstance(value, float | np.floating):
        return None if np.isnan(value) else float(value)
    return int(value) if isinstance(value, np.integer) else value

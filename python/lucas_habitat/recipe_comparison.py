"""Recipes of training on the same photos: how right each is, and how surely it differs from the first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from ._base import words
from ._base.bootstrap import alike, draws, percentile_interval
from ._base.classes import column_names
from ._base.types import Floats
from .agreement.compared import points_of
from .blocks import PLURALS
from .comparison import compare
from .evaluation import evaluate, plain

__all__ = [
    "COSTS",
    "MEASURES",
    "Recipe",
    "RecipeComparison",
    "Trial",
    "compared_recipes",
    "mean_interval",
]

#: The measures compared, and how they are called.
MEASURES = {"overall_accuracy": "accuracy", "kappa": "kappa", "log_loss": "log loss"}
#: Ends of the columns of each measure.
_ENDS = ("", "_low", "_high", "_spread")
_DIFFERENCES = ("_difference", "_difference_low", "_difference_high", "_difference_spread")
#: What a recipe costs.
COSTS = ("train_seconds", "milliseconds", "megabytes")
_FEW = 30


class Trial(NamedTuple):
    """How recipes were tested."""

    by: str
    block: float
    buffer: float
    folds: int
    repeats: int
    seed: int
    #: What computed, for the costs.
    computer: str


@dataclass(frozen=True, eq=False)
class RecipeComparison:
    """Recipes of training tested on the same photos, in the same folds. Print it to read it.

    Attributes
    ----------
    table : pandas.DataFrame
        One row a recipe, in the order given; the first is the reference. ``recipe``; for each of
        ``overall_accuracy``, ``kappa`` and ``log_loss`` its value over all repeats, ``*_low`` and
        ``*_high``, ``*_spread`` (standard deviation over repeats), ``*_difference`` (from the reference)
        with ``*_difference_low``, ``*_difference_high`` and ``*_difference_spread``; ``train_seconds``
        (median of the trainings with features on disk), ``milliseconds`` (to classify a photo, reading and
        decoding included, without the cache), ``megabytes`` (10^6 bytes of the saved model), and ``error``,
        empty unless the recipe could not be tested.
    n, n_points : int
        Photos that every recipe was tested on, and points behind them.
    classes : list of str
    by, block, buffer, folds, repeats, seed : see `compare_recipes`
    level : float
        Of the intervals.
    n_boot : int
    computer : str
        What the costs were measured on.
    notes : list of str
        What to know before quoting the numbers.
    """

    table: pd.DataFrame
    n: int
    n_points: int
    classes: list[str]
    by: str
    block: float
    buffer: float
    folds: int
    repeats: int
    seed: int
    level: float
    n_boot: int
    computer: str
    notes: list[str] = field(default_factory=list)
    # Why recipes could not be tested, in the words of all languages.
    _reasons: Mapping[str, str] = field(default_factory=dict, repr=False)

    def in_words(self, words_of: Callable[[str], str]) -> RecipeComparison:
        """The same, its reasons in another language's words."""
        told = {
            words.in_python(note): words_of(note)
            for note in (_untested(name, reason) for name, reason in self._reasons.items())
        }
        reasons = [words_of(self._reasons.get(name, "")) for name in self.table["recipe"]]
        return replace(
            self,
            table=self.table.assign(error=reasons),
            notes=[told.get(note, note) for note in self.notes],
        )

    @property
    def reference(self) -> str:
        """The recipe that the others are compared with."""
        return str(self.table["recipe"].iloc[0])

    @property
    def design(self) -> str:
        """On what and how recipes were tested, in a sentence."""
        kilometres = f" of {self.block:g} km" if self.by == "block" else ""
        apart = f", {self.buffer:g} km around them left out" if self.buffer else ""
        times = "" if self.repeats == 1 else f", {self.repeats} times"
        points = f" of {self.n_points} points" if self.n_points != self.n else ""
        return (
            f"{self.n} photos{points}, {len(self.classes)} classes; each tested by a model that never saw "
            f"its {self.by}{kilometres}{apart} ({self.folds}-fold{times})"
        )

    @property
    def sentences(self) -> list[str]:
        """What can be quoted of each recipe but the first, a sentence each."""
        rows = self.table[self.table["error"] == ""]
        if self.reference not in set(rows["recipe"]):
            return []
        others = rows[rows["recipe"] != self.reference].to_dict("records")
        return [self._sentence(row) for row in others]

    def _sentence(self, row: Mapping[Any, Any]) -> str:
        """One recipe's kappa against the reference's, in words."""
        name, change = row["recipe"], row["kappa_difference"]
        values = (
            f"kappa {row['kappa']:.3f} with {name} and {row['kappa'] - change:.3f} with "
            f"{self.reference}, a difference of {change:+.3f}"
        )
        low, high = row["kappa_difference_low"], row["kappa_difference_high"]
        if np.isnan(low):
            return f"{values}."
        verdict = (
            f"{name} is better"
            if low > 0
            else f"{name} is worse"
            if high < 0
            else "these points do not tell them apart"
        )
        spread = row["kappa_difference_spread"]
        over = "" if np.isnan(spread) else f"; standard deviation over repeats {spread:.3f}"
        return f"{values} ({100 * self.level:g} % interval {low:+.3f} to {high:+.3f}{over}): {verdict}."

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as they are written to JSON; undefined numbers are None."""
        names = ("n", "n_points", "classes", "by", "block", "buffer", "folds", "repeats", "seed",
                 "level", "n_boot", "computer", "reference", "design", "sentences", "notes")  # fmt: skip
        return {
            **{name: getattr(self, name) for name in names},
            "recipes": [
                {k: plain(v) for k, v in row.items()} for row in self.table.to_dict("records")
            ],
        }

    def __repr__(self) -> str:
        blocks = [self._values_shown()]
        if self.sentences:
            blocks.append(self._differences_shown())
        return "\n\n".join(
            [
                f"Comparison of {len(self.table)} recipes\n{self.design}.",
                *blocks,
                "\n".join(
                    [
                        *(f"{sentence[0].upper()}{sentence[1:]}" for sentence in self.sentences),
                        *(f"note: {note}" for note in self.notes),
                    ]
                ),
            ]
        ).rstrip()

    def _values_shown(self) -> str:
        """Each recipe's own measures and costs, as they are printed."""
        table = self.table
        shown = {label: _with_interval(table, name) for name, label in MEASURES.items()}
        for column, label in zip(COSTS, ("train s", "ms/photo", "MB"), strict=True):
            shown[label] = ["" if np.isnan(v) else f"{v:.3g}" for v in table[column]]
        return (
            f"{_lines(table['recipe'], shown)}\n"
            "train s: a model's training, features on disk; ms/photo: classifying without them "
            f"({self.computer})"
        )

    def _differences_shown(self) -> str:
        """Differences from the reference, as they are printed."""
        table = self.table[(self.table["error"] == "") & (self.table["recipe"] != self.reference)]
        shown = {
            label: _with_interval(table, f"{name}_difference", "+.3f")
            for name, label in MEASURES.items()
        }
        about = (
            f"\n{100 * self.level:g} % intervals: how much this could differ with other points of such "
            "land, not with other training photos"
            if self.n_boot
            else ""
        )
        title = f"Difference from {self.reference}, on the same photos"
        return f"{title}\n{_lines(table['recipe'], shown)}{about}"


def _lines(recipe: pd.Series[str], columns: Mapping[str, list[str]]) -> str:
    """Columns of text beside the names of recipes."""
    width = max(recipe.str.len())
    table = pd.DataFrame({"": recipe.str.ljust(width), **columns})
    return table.to_string(index=False)


def _with_interval(table: pd.DataFrame, name: str, form: str = ".3f") -> list[str]:
    """Values as text, with their intervals; nothing where there is none."""
    texts = []
    for value, low, high in table[[name, f"{name}_low", f"{name}_high"]].itertuples(index=False):
        interval = "" if np.isnan(low) else f" ({low:{form}} to {high:{form}})"
        texts.append("" if np.isnan(value) else f"{value:{form}}{interval}")
    return texts


class Recipe(NamedTuple):
    """What is known of a recipe once it was tested, or could not be."""

    #: What the models of all folds said, a table a repeat; empty where it failed.
    predictions: list[pd.DataFrame]
    costs: dict[str, float]
    #: Why it failed, in the words of all languages; empty where it did not.
    error: str


def compared_recipes(
    recipes: Mapping[str, Recipe],
    trial: Trial,
    *,
    classes: list[str],
    n_without_point: int,
    n_boot: int,
    level: float,
) -> RecipeComparison:
    """Compare recipes that were tested on the same photos in the same folds."""
    tables = {name: _stacked(recipe.predictions) for name, recipe in recipes.items()}
    is_shared = _read_by_all([table for table in tables.values() if table is not None])
    tables = {
        name: None if table is None else table[is_shared].reset_index(drop=True)
        for name, table in tables.items()
    }
    reference = next(iter(tables.values()))
    rows = []
    for name, recipe in recipes.items():
        table = tables[name]
        row: dict[str, Any] = {"recipe": name}
        if table is not None:
            row |= _own_measures(table, n_boot, level, trial.seed)
        if table is not None and table is not reference and reference is not None:
            row |= _differences(reference, table, n_boot, level, trial.seed)
        rows.append({**row, **recipe.costs, "error": words.in_python(recipe.error)})
    columns = ["recipe", *(m + e for m in MEASURES for e in _ENDS + _DIFFERENCES), *COSTS, "error"]
    some_table = next(table for table in tables.values() if table is not None)
    n_points = some_table["point_id"].nunique()
    return RecipeComparison(
        table=pd.DataFrame(rows).reindex(columns=columns),
        n=len(some_table) // trial.repeats,
        classes=classes,
        level=float(level),
        n_boot=int(n_boot),
        notes=_notes(recipes, trial, n_points, n_without_point, int((~is_shared).sum())),
        n_points=n_points,
        _reasons={name: recipe.error for name, recipe in recipes.items() if recipe.error},
        **trial._asdict(),
    )


def _stacked(predictions: list[pd.DataFrame]) -> pd.DataFrame | None:
    """The predictions of all repeats, one below the other; None where there are none.

    A photo's predictions of all repeats belong to one point, so that they are not taken for as many
    independent ones.
    """
    if not predictions:
        return None
    parts = [table.assign(repeat=i) for i, table in enumerate(predictions, 1)]
    stacked = pd.concat(parts, ignore_index=True)
    stacked["path"] = stacked["repeat"].astype("str") + " " + stacked["path"]
    stacked.attrs = {}
    return stacked


def _read_by_all(tables: list[pd.DataFrame]) -> npt.NDArray[np.bool_]:
    """The rows of stacked tables whose photo was read with every recipe in every repeat."""
    is_read = np.logical_and.reduce([table["predicted"].notna().to_numpy() for table in tables])
    first = tables[0]
    n_unread = pd.Series(~is_read).groupby(first["row"].to_numpy()).transform("sum")
    return np.asarray(n_unread == 0)


def _own_measures(table: pd.DataFrame, n_boot: int, level: float, seed: int) -> dict[str, float]:
    """A recipe's measures with intervals, and their spread over repeats."""
    whole = evaluate(table, n_boot=n_boot, level=level, seed=seed)
    # Wilson's intervals need no bootstrap; where none is asked for, none is given.
    intervals = {
        "overall_accuracy": whole.overall_accuracy_interval,
        "kappa": whole.kappa_interval,
        "log_loss": mean_interval(row_losses(table), points_of(table), n_boot, level, seed),
    }
    spreads = _spreads(_by_repeat(table))
    values: dict[str, float] = {}
    for measure in MEASURES:
        low, high = intervals[measure] if n_boot else (np.nan, np.nan)
        numbers = (float(getattr(whole, measure)), low, high, spreads[measure])
        values |= {measure + end: v for end, v in zip(_ENDS, numbers, strict=True)}
    return values


def _differences(
    reference: pd.DataFrame, table: pd.DataFrame, n_boot: int, level: float, seed: int
) -> dict[str, float]:
    """What a recipe's measures differ by from the reference's, on the same points."""
    pair = compare(reference, table, n_boot=n_boot, level=level, seed=seed).table
    pair = pair.set_index("measure")[["difference", "low", "high"]]
    losses = row_losses(table) - row_losses(reference)
    span = mean_interval(losses, points_of(table), n_boot, level, seed)
    pair.loc["log_loss"] = [losses.mean(), *span]
    spreads = _spreads(_by_repeat(table) - _by_repeat(reference))
    values: dict[str, float] = {}
    for measure in MEASURES:
        numbers = (*pair.loc[measure], spreads[measure])
        values |= {measure + end: float(v) for end, v in zip(_DIFFERENCES, numbers, strict=True)}
    return values


def _by_repeat(table: pd.DataFrame) -> pd.DataFrame:
    """The measures of each repeat alone."""
    each = [evaluate(part, n_boot=0) for _, part in table.groupby("repeat")]
    return pd.DataFrame([{m: getattr(e, m) for m in MEASURES} for e in each])


def _spreads(by_repeat: pd.DataFrame) -> pd.Series:
    """Standard deviations over repeats; NaN of one."""
    return by_repeat.std(ddof=1)


def row_losses(table: pd.DataFrame) -> Floats:
    """What each row adds to the log loss: the negative logarithm of its true class' probability."""
    classes = list(table["predicted"].cat.categories)
    p = table[column_names(classes)].to_numpy(np.float64)
    p = p / p.sum(axis=1, keepdims=True)
    truth = pd.Categorical(table["habitat"], categories=classes).codes
    of_truth = p[np.arange(len(p)), truth]
    # As scikit-learn does: a class that was thought impossible costs much, not infinitely much.
    losses: Floats = -np.log(np.clip(of_truth, np.finfo(np.float64).eps, 1.0))
    return losses


def mean_interval(
    values: Floats, point: npt.NDArray[np.intp], n_boot: int, level: float, seed: int
) -> tuple[float, float]:
    """The interval of a mean over rows, by bootstrap over points."""
    if not n_boot:
        return np.nan, np.nan
    sums = np.stack([np.bincount(point, values), np.bincount(point)], axis=1).astype(np.float64)
    kinds, times = alike(sums)
    drawn = np.concatenate(
        [weights @ kinds for weights in draws(times, n_boot, np.random.default_rng(seed))]
    )
    interval = percentile_interval(drawn[:, 0] / drawn[:, 1], level)
    return float(interval.low), float(interval.high)


def _untested(name: str, reason: str) -> str:
    return f"{name} could not be tested: {reason}"


def _notes(
    recipes: Mapping[str, Recipe],
    trial: Trial,
    n_points: int,
    n_without_point: int,
    n_unread: int,
) -> list[str]:
    """What to know before quoting the numbers."""
    notes = [words.in_python(_untested(n, r.error)) for n, r in recipes.items() if r.error]
    first, *others = recipes
    if recipes[first].error and len([name for name in others if not recipes[name].error]) > 1:
        notes.append(
            f"without {first} there is nothing to tell differences from: name another recipe first and "
            "compare again; a folder that keeps what is finished saves training anew"
        )
    if n_without_point:
        notes.append(
            f"{n_without_point} photos have no point and are taken for points of their own: where several "
            "are of one place, all recipes look better than they are, and intervals are too narrow"
        )
    if n_unread:
        notes.append(
            f"{n_unread // trial.repeats} photos that could not be read are left out for all"
        )
    if n_points < _FEW:
        notes.append(f"only {n_points} points: intervals are rough")
    if trial.folds < 5:
        notes.append(
            f"models were trained on {(trial.folds - 1) / trial.folds:.0%} of the "
            f"{PLURALS[trial.by]}: one trained on all of them may be better"
        )
    n_others = len(recipes) - 1
    if n_others > 2:
        notes.append(
            f"of {n_others} recipes compared with the first one may look better by chance: what the best "
            "of them gains is told by photos that did not choose it"
        )
    return notes

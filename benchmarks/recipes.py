"""Which recipe errs least: on real scenes, on land that training lacks, on worse photos, on drawn points.

    python benchmarks/recipes.py [--repeats 10] [--quick] [--write]

Every recipe that was tried is a row, also those that gained nothing. Scenes need the folder
LUCAS_SHARED (default ../shared) with data/scenes and weights, which is not part of the repository.
``--write`` puts the tables into docs/recipes.md. About an hour on two cores; ``--quick``, with one
repeat and fewer recipes, a few minutes.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import cohen_kappa_score
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.preprocessing import StandardScaler

import lucas_habitat as lh
from lucas_habitat._base.choices import RECIPES
from lucas_habitat.engines import choose_target
from lucas_habitat.errors import LucasMessage
from lucas_habitat.features import extract_features
from lucas_habitat.images.decode import Preprocessing
from lucas_habitat.model import probabilities_of
from lucas_habitat.networks.arrays import head_logits
from lucas_habitat.networks.backbones import load_backbone
from lucas_habitat.networks.fitting import LabelledRows, TrainingSettings, fit_head
from lucas_habitat.networks.logistic import LogisticSettings, fit_regressions
from lucas_habitat.photos import groups_of

sys.path.insert(0, str(Path(__file__).parent / "trust"))
from common import Table

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("LUCAS_SHARED", ROOT.parent / "shared"))
TRIO = str(RECIPES["recommended"]["arch"])
FOLDS = 5


@dataclass(frozen=True)
class Tried:
    """A way to come from photos to classes."""

    name: str
    arch: str
    head: str
    credit: str = "keep"
    flips: bool = False


PILOT = Tried("pilot: Xception, dense head", "xception", "dense")
RECOMMENDED = Tried("**recommended**: Lite0 + Lite1 + Lite2, logistic", TRIO, "logistic")
LITE0 = Tried("Lite0, dense head", "efficientnet_lite0", "dense")
TRIED = [
    PILOT,
    Tried("the pilot with the lowest 9 % grey", "xception", "dense", credit="mask"),
    LITE0,
    Tried("Lite0 + Lite1 + Lite2, dense head", TRIO, "dense"),
    Tried("Lite0, logistic", "efficientnet_lite0", "logistic"),
    Tried("Lite1, logistic", "efficientnet_lite1", "logistic"),
    Tried("Lite2, logistic", "efficientnet_lite2", "logistic"),
    Tried("Xception, logistic", "xception", "logistic"),
    Tried("Lite1 + Lite2, logistic", "efficientnet_lite1+efficientnet_lite2", "logistic"),
    RECOMMENDED,
    Tried("recommended, seen mirrored too", TRIO, "logistic", flips=True),
    Tried("Lite0 + Lite1 + Lite2, plain logistic", TRIO, "plain"),
    Tried("recommended + Xception", f"{TRIO}+xception", "logistic"),
]
QUICK = [PILOT, LITE0, RECOMMENDED]
#: What every recipe's errors are compared with, by what the tables call it.
AGAINST = {"the pilot": PILOT, "its recipe with Lite0": LITE0}


@dataclass(frozen=True)
class Photos:
    """Labelled photos, and what stands together in a fold."""

    paths: list[str]
    labels: np.ndarray
    groups: np.ndarray
    classes: list[str]


def photos_of(table: pd.DataFrame) -> Photos:
    """Labels and points of a photo table, as numbers."""
    labels = table["habitat"].astype("category")
    groups = pd.factorize(groups_of(table))[0]
    return Photos(
        table["path"].tolist(),
        labels.cat.codes.to_numpy().astype(np.int64),
        groups,
        list(labels.cat.categories),
    )


def features_of(paths: list[str], tried: Tried) -> np.ndarray:
    """Features by each network alone, side by side: so recipes share them."""
    return np.concatenate(
        [network_features(paths, tried, arch) for arch in tried.arch.split("+")], 1
    )


def network_features(paths: list[str], tried: Tried, arch: str) -> np.ndarray:
    # The pilot's Xception takes values from 0 to 1; everywhere else networks see what they were trained on.
    scaling = "unit" if arch == tried.arch == "xception" and tried.head == "dense" else "own"
    backbone = load_backbone(arch, scaling=scaling)
    how = Preprocessing(credit=tried.credit)
    target = choose_target("cpu")
    values = extract_features(paths, backbone, how, target, progress=False).values
    if tried.flips:
        mirrored = [str(p) for p in written(paths, "mirrored")]
        values = (
            values + extract_features(mirrored, backbone, how, target, progress=False).values
        ) / 2
    return values


def written(paths: list[str], change: str) -> list[Path]:
    """Changed photos, in a folder of their own for as long as the program runs."""
    # Photos that were changed already are changed once more into a folder beside.
    before = Path(paths[0]).parent.name if paths[0].startswith(tempfile.gettempdir()) else "photos"
    folder = Path(tempfile.gettempdir()) / f"recipes-{os.getuid()}" / before / change
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for i, path in enumerate(paths):
        file = folder / f"{i:06d}.png"
        if not file.exists():
            rng = np.random.default_rng(i)
            CHANGES[change](Image.open(path).convert("RGB"), rng).save(file)
        files.append(file)
    return files


def _cropped(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    side = int(min(image.size) * 0.75)
    x, y = (int(rng.integers(0, n - side + 1)) for n in image.size)
    return image.crop((x, y, x + side, y + side))


def _compressed(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    data = BytesIO()
    image.save(data, "JPEG", quality=20)
    return Image.open(data).convert("RGB")


def _in_other_light(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    values = np.asarray(image) / 255 * rng.uniform(0.6, 1.4) * rng.uniform(0.85, 1.15, 3)
    values = values.clip(0, 1) ** rng.uniform(0.7, 1.4)
    return Image.fromarray((255 * values).astype(np.uint8))


CHANGES = {
    "mirrored": lambda image, rng: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "half as sharp": lambda image, rng: image.resize((image.width // 2, image.height // 2)),
    "three quarters of it": _cropped,
    "compressed to JPEG 20": _compressed,
    "in other light": _in_other_light,
    "without colour": lambda image, rng: image.convert("L").convert("RGB"),
}


def probabilities(tried, photos, features, fit, tests, seed):
    """Class probabilities of several sets of features, by a head that was fitted on some rows."""
    rows = LabelledRows(fit, fit[:0], photos.labels, photos.groups, photos.classes)
    if tried.head == "plain":
        return _plain(features, photos.labels, fit, tests)
    if tried.head == "logistic":
        backbone = _Parts(tried.arch)
        fitted = fit_regressions(
            features, rows, backbone, LogisticSettings("", "none", seed), progress=False
        )
    else:
        known = {k: v for k, v in RECIPES["pilot"].items() if k not in ("arch", "head")}
        settings = TrainingSettings(recipe="pilot", seed=seed, class_balance="none", **known)
        fitted = fit_head(features, rows, None, settings, progress=False)
    return [probabilities_of(head_logits(fitted.head, test)) for test in tests]


class _Parts:
    """As much of a backbone as a logistic head asks for."""

    def __init__(self, arch):
        self.parts = [type("Part", (), {"spec": {"num_features": width}}) for width in widths(arch)]


def widths(arch: str) -> list[int]:
    return [2048 if name == "xception" else 1280 for name in arch.split("+")]


def _plain(features, labels, fit, tests):
    """What most people do: standardised features, one logistic regression on all."""
    scaler = StandardScaler().fit(features[fit])
    regression = LogisticRegression(C=0.01, max_iter=300).fit(
        scaler.transform(features[fit]), labels[fit]
    )
    return [regression.predict_proba(scaler.transform(test)) for test in tests]


def one_repeat(tried, photos, features, others, seed):
    """Held-out probabilities of all photos, shape (1 + others, n, classes), of one division into folds."""
    os.environ["OMP_NUM_THREADS"] = "1"
    out = np.zeros((1 + len(others), len(photos.labels), len(photos.classes)))
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    for fit, test in folds.split(photos.labels, photos.labels, photos.groups):
        sets = [features[test], *(other[test] for other in others)]
        for i, p in enumerate(probabilities(tried, photos, features, fit, sets, seed)):
            out[i, test] = p
    return out


def repeats(tried, photos, features, others, n_repeats):
    work = partial(one_repeat, tried, photos, features, others)
    with ProcessPoolExecutor(2) as pool:
        return np.stack(list(pool.map(work, range(1, n_repeats + 1))))


def compared(wrong: np.ndarray, reference: np.ndarray, groups: np.ndarray) -> str:
    """How many errors less than the reference, in per cent, with the interval of a bootstrap by point."""
    frame = pd.DataFrame({"one": wrong, "other": reference}).groupby(groups).sum().to_numpy()
    rng = np.random.default_rng(0)
    weights = rng.multinomial(len(frame), np.full(len(frame), 1 / len(frame)), 4_000)
    one, other = (weights @ frame).T
    fewer = 100 * (1 - one / np.maximum(other, 1e-9))
    low, high = np.percentile(fewer, [2.5, 97.5])
    return f"{100 * (1 - wrong.sum() / reference.sum()):.0f} ({low:.0f} to {high:.0f})"


def scores(p: np.ndarray, labels: np.ndarray) -> dict[str, object]:
    """Mean errors, kappa and log loss of the repeats, shape (repeats, n, classes)."""
    predicted = p.argmax(axis=2)
    kappas = [cohen_kappa_score(labels, one) for one in predicted]
    loss = -np.log(np.take_along_axis(p, labels[None, :, None], axis=2).clip(1e-12)).mean()
    spread = f" ± {np.std(kappas, ddof=1):.3f}" if len(kappas) > 1 else ""
    return {
        "errors, %": f"{100 * (predicted != labels).mean():.2f}",
        "kappa": f"{np.mean(kappas):.3f}{spread}",
        "log loss": f"{loss:.3f}",
    }


def milliseconds(tried: Tried, paths: list[str]) -> float:
    """Processor time of a photo from file to features, nothing cached; the median of three runs."""
    backbone, target = load_backbone(tried.arch), choose_target("cpu")
    how, seconds = Preprocessing(credit=tried.credit), []
    extract_features(paths[:8], backbone, how, target, cache=False, progress=False)
    for _ in range(3):
        start = time.process_time()
        extract_features(paths, backbone, how, target, cache=False, progress=False)
        seconds.append(time.process_time() - start)
    return 1000 * float(np.median(seconds)) / len(paths) * (2 if tried.flips else 1)


def scenes_table(tried_all, n_repeats) -> list[Table]:
    """On real scenes: inside the collection, on kinds of scene that training lacks, on worse photos."""
    table = lh.list_photos(SHARED / "data" / "scenes")
    photos = photos_of(table)
    kinds = table["path"].map(lambda p: Path(p).name.partition("__")[0]).to_numpy()
    worse = [name for name in CHANGES if name != "mirrored"]
    rows, others, reference = [], [], {}
    for tried in tried_all:
        features = features_of(photos.paths, tried)
        changed = [features_of([str(p) for p in written(photos.paths, c)], tried) for c in worse]
        p = repeats(tried, photos, features, changed, n_repeats)
        wrong = (p.argmax(axis=3) != photos.labels).mean(
            axis=0
        )  # (1 + worse, n), a share of repeats
        lacking, is_asked = without_kind(tried, photos, features, kinds)
        reference.setdefault("wrong", wrong)
        reference.setdefault("lacking", lacking)
        reference[tried.name] = wrong[0]
        rows.append(
            {
                "recipe": tried.name,
                **scores(p[:, 0], photos.labels),
                **{f"fewer errors than {name}, %": "" for name in AGAINST},
                "ms a photo": f"{milliseconds(tried, photos.paths[:128]):.1f}",
            }
        )
        others.append(
            {
                "recipe": tried.name,
                "kinds of scene not trained on": f"{100 * lacking[is_asked].mean():.1f}",
                **{name: f"{100 * w.mean():.1f}" for name, w in zip(worse, wrong[1:], strict=True)},
                "fewer errors than the pilot on all of these, %": "" if tried is PILOT
                else compared(
                    wrong[1:].mean(axis=0) + lacking / 5,
                    reference["wrong"][1:].mean(axis=0) + reference["lacking"] / 5,
                    photos.groups,
                ),
            }
        )  # fmt: skip
        print(rows[-1], others[-1], flush=True)
    for row in rows:
        for name, other in AGAINST.items():
            if row["recipe"] != other.name and other.name in reference:
                row[f"fewer errors than {name}, %"] = compared(
                    reference[row["recipe"]], reference[other.name], photos.groups
                )
    n, target = len(photos.labels), choose_target("cpu")
    return [
        Table(
            f"{n} real scenes, {len(photos.classes)} classes",
            f"{FOLDS}-fold cross-validation by photo, {n_repeats} times with other folds (± is their "
            "standard deviation); the logistic heads' penalty is chosen inside each training part. "
            "Fewer errors: interval of 95 % by resampling photos, over all repeats. ms a photo: processor "
            f"time from file to features at 224 x 224, {target.engine}, {target.precision}. Nothing is "
            'said here of photos with a credit line: `credit="keep"` but where the row says otherwise.',
            pd.DataFrame(rows),
        ),
        Table(
            "The same scenes where land or photos are not like the training's",
            "Errors in per cent. Kinds of scene not trained on: every kind of artificial land and of "
            "grassland with at least 12 photos left out of training in turn and tested. Worse photos: "
            "trained on photos as they are, tested on held-out ones that were changed.",
            pd.DataFrame(others),
        ),
    ]


def without_kind(tried, photos, features, kinds):
    """Whether each photo errs where no scene of its kind was trained on, and which were asked."""
    wrong, is_asked = np.zeros(len(kinds)), np.zeros(len(kinds), bool)
    for kind in np.unique(kinds):
        test = np.flatnonzero(kinds == kind)
        fit = np.flatnonzero(kinds != kind)
        is_only_kind = not (photos.labels[fit] == photos.labels[test[0]]).any()
        if len(test) < 12 or is_only_kind:
            continue
        (p,) = probabilities(tried, photos, features, fit, [features[test]], seed=1)
        wrong[test], is_asked[test] = p.argmax(axis=1) != photos.labels[test], True
    return wrong, is_asked


def drawn_table(tried_all, n_repeats, n_points) -> Table:
    """On drawn points: photos, and the majority of each point's."""
    with tempfile.TemporaryDirectory() as folder:
        lh.draw_demo_photos(folder, n_points=n_points, seed=7)
        table = lh.list_photos(folder)
        features = extract_features(
            table["path"].tolist(), load_backbone("efficientnet_lite0"), Preprocessing(),
            choose_target("cpu"), progress=False,
        )  # fmt: skip
        photos = photos_of(table[features.ok].reset_index(drop=True))
        rows, reference = [], None
        for tried in tried_all:
            p = repeats(tried, photos, features_of(photos.paths, tried), [], n_repeats)[:, 0]
            wrong = (p.argmax(axis=2) != photos.labels).mean(axis=0)
            reference = wrong if reference is None else reference
            rows.append(
                {
                    "recipe": tried.name,
                    **scores(p, photos.labels),
                    "fewer errors than the pilot, %": "" if tried is PILOT
                    else compared(wrong, reference, photos.groups),
                }
            )  # fmt: skip
            print(rows[-1], flush=True)
    return Table(
        f"{len(photos.labels)} drawn photos of {len(np.unique(photos.groups))} points",
        f"Photos that `lucas-habitat demo` draws, {FOLDS}-fold by point, {n_repeats} times. Drawings are "
        "easy in another way than land is: a check, not a promise.",
        pd.DataFrame(rows),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--quick", action="store_true", help="three recipes, one repeat unless told"
    )
    parser.add_argument("--repeats", type=int, help="divisions into folds (10)")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/recipes.md")
    options = parser.parse_args()
    os.environ.setdefault("LUCAS_HABITAT_WEIGHTS", str(SHARED / "weights"))
    warnings.simplefilter("ignore", LucasMessage)
    tried_all = QUICK if options.quick else TRIED
    n_repeats = options.repeats or (1 if options.quick else 10)
    tables = scenes_table(tried_all, n_repeats)
    of_drawn = QUICK if options.quick else [t for t in TRIED if t.name in DRAWN]
    tables.append(drawn_table(of_drawn, min(n_repeats, 3), 24 if options.quick else 80))
    text = "\n".join(table.markdown() for table in tables)
    print(text)
    if options.write:
        file = ROOT / "docs" / "recipes.md"
        before = file.read_text(encoding="utf-8").partition(MARK)[0]
        file.write_text(f"{before}{MARK}\n\n{text}", encoding="utf-8")


MARK = "<!-- tables: python benchmarks/recipes.py --write -->"
DRAWN = {PILOT.name, "Lite0, dense head", "Lite0, logistic", RECOMMENDED.name}


if __name__ == "__main__":
    main()

"""Write levels.json: predictions at coarser levels, in plain Python that shares nothing with the package."""

import json
import math
import random
from pathlib import Path

from scipy.stats import beta

LEVELS = {
    "class": ["B11", "B16", "B21", "C10", "C22"],
    "level1": ["B", "B", "B", "C", "C"],
    "level2": ["B10", "B10", "B20", "C10", "C20"],
}
NAMES = ["level1", "level2", "class"]
CLASSES = LEVELS["class"]


def parent(label, level):
    return LEVELS[level][CLASSES.index(label)]


def draw(n, seed, first=0):
    """Points with a mix-up within groups more often than between them."""
    rng = random.Random(seed)
    rows = []
    for i in range(n):
        truth = rng.choice(CLASSES)
        scores, sharpness = [], rng.choice((0.6, 1.5, 4.0))
        for label in CLASSES:
            near = sum(parent(label, level) == parent(truth, level) for level in NAMES)
            score = (0.3 + rng.random()) * (0.35, 0.8, 1.1, 1.5)[near]
            scores.append(score**sharpness + 1e-3)
        total = sum(scores)
        p = [round(s / total, 3) for s in scores]
        p[0] = round(1 - sum(p[1:]), 3)
        rows.append((f"plot {first + i}", truth, p))
    return rows


def table(rows):
    return {
        "point_id": [r[0] for r in rows],
        "predicted": [CLASSES[r[2].index(max(r[2]))] for r in rows],
        **{f"p_{c}": [r[2][k] for r in rows] for k, c in enumerate(CLASSES)},
        "habitat": [r[1] for r in rows],
    }


def sums(p, level):
    out = {}
    for label, value in zip(CLASSES, p, strict=True):
        out[parent(label, level)] = out.get(parent(label, level), 0.0) + value
    return out


def likeliest(p, level):
    node = sums(p, level)
    best = max(node.values())
    return next(label for label, v in node.items() if v >= best - 1e-12), best


def kappa(pairs):
    n = len(pairs)
    agreed = sum(a == b for a, b in pairs) / n
    labels = {x for pair in pairs for x in pair}
    chance = (
        sum(sum(a == x for a, _ in pairs) * sum(b == x for _, b in pairs) for x in labels) / n**2
    )
    return (agreed - chance) / (1 - chance)


def steps_up(answer, level, truth):
    """How many levels an answer has to go up until it is right."""
    steps, names = 0, NAMES[: NAMES.index(level) + 1]
    leaf = next(c for c in CLASSES if parent(c, level) == answer)
    for name in reversed(names):
        if parent(leaf, name) == parent(truth, name):
            return steps
        steps += 1
    return steps


def at_levels(rows):
    out = {}
    for level in ("level1", "level2"):
        columns = {}
        for _, _, p in rows:
            for label, value in sums(p, level).items():
                columns.setdefault(f"p_{label}", []).append(value)
        out[level] = {
            "predicted": [likeliest(p, level)[0] for *_, p in rows],
            "habitat": [parent(truth, level) for _, truth, _ in rows],
            **columns,
        }
    return out


def evaluation(rows):
    by_level = []
    for level in NAMES:
        # At the level of the classes itself, as at the others, the likeliest label counts.
        pairs = [(likeliest(p, level)[0], parent(truth, level)) for _, truth, p in rows]
        steps = [steps_up(likeliest(p, "class")[0], "class", truth) for _, truth, p in rows]
        by_level.append(
            {
                "level": level,
                "n": len(rows),
                "overall_accuracy": sum(a == b for a, b in pairs) / len(pairs),
                "kappa": kappa(pairs),
            }
        )
    wrong = [s for s in steps if s]
    return {
        "by_level": by_level,
        "mean_distance": sum(steps) / len(steps),
        "error_distance": sum(wrong) / len(wrong),
    }


def threshold(confident, accuracy, risk):
    """The lowest confidence that passes, of pairs of confidence and whether it was right."""
    pairs = sorted(confident, key=lambda pair: -pair[0])
    n = len(pairs)
    ends = set()
    for tenth in range(1, 11):
        size = math.ceil(tenth * n / 10 - 1e-9)
        if size:
            ends.add(sum(c >= pairs[size - 1][0] for c, _ in pairs))
    for parts in range(len(ends), 0, -1):
        able = [e for e in sorted(ends) if accuracy**e <= risk / parts * (1 + 1e-9)]
        if len(able) >= parts:
            tried = able[-parts:]
            break
    else:
        return None, None
    passed, saved = (None, None), 0.0
    for end in tried:
        saved += risk / len(tried)
        right = sum(is_right for _, is_right in pairs[:end])
        low = beta.ppf(saved, right, end - right + 1) if right else 0.0
        if low >= accuracy:
            passed = pairs[end - 1][0], low
        else:
            saved = 0.0
    return passed


def answers(rows, labelled, accuracy, level=0.95):
    found = [None] * len(rows)
    left = labelled
    for name in reversed(NAMES):
        judged = [
            (likeliest(p, name)[1], likeliest(p, name)[0] == parent(truth, name))
            for _, truth, p in left
        ]
        least, low = threshold(judged, accuracy, (1 - level) / len(NAMES))
        if least is None:
            continue
        for i, (_, _, p) in enumerate(rows):
            label, confidence = likeliest(p, name)
            if found[i] is None and confidence >= least:
                found[i] = (label, name, confidence, least, low)
        left = [row for row in left if likeliest(row[2], name)[1] < least]
    keys = ("predicted", "predicted_level", "confidence", "threshold", "accuracy_low")
    columns = {key: [a and a[k] for a in found] for k, key in enumerate(keys)}
    steps = [a and steps_up(a[0], a[1], row[1]) for a, row in zip(found, rows, strict=True)]
    told = [s for s in steps if s is not None]
    return {
        "arguments": {"accuracy": accuracy},
        "columns": columns,
        "n_answered": len(told),
        "overall_accuracy": sum(s == 0 for s in told) / len(told),
        "mean_distance": sum(told) / len(told),
    }


rows = draw(8, 1)
labelled = draw(300, 2, first=1000)
others = draw(60, 3, first=2000)
cases = {
    "about": "Predictions at coarser levels: at_level(), evaluate(levels=), predict_level()",
    "tolerance": 1e-9,
    "levels": LEVELS,
    "points": table(rows),
    "at_level": at_levels(rows),
    "labelled": table(labelled),
    "evaluation": evaluation(labelled),
    "others": table(others),
    "answers": [answers(others, labelled, accuracy) for accuracy in (0.75, 0.8, 0.9)],
}
lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in cases.items()]
Path(__file__).with_name("levels.json").write_text(
    "{" + ",\n".join(lines) + "}\n", encoding="utf-8"
)

"""Write levels.json: predictions at coarser levels, in plain Python that shares nothing with the package."""

import json
import random
from pathlib import Path

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
        scores = []
        for label in CLASSES:
            near = sum(parent(label, level) == parent(truth, level) for level in NAMES)
            scores.append(rng.random() ** 2 * (0.05, 0.6, 1.2, 2.0)[near] + 1e-3)
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


rows = draw(8, 1)
labelled = draw(300, 2, first=1000)
cases = {
    "about": "Predictions at coarser levels: at_level(), evaluate(levels=)",
    "tolerance": 1e-9,
    "levels": LEVELS,
    "points": table(rows),
    "at_level": at_levels(rows),
    "labelled": table(labelled),
    "evaluation": evaluation(labelled),
}
lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in cases.items()]
Path(__file__).with_name("levels.json").write_text(
    "{" + ",\n".join(lines) + "}\n", encoding="utf-8"
)

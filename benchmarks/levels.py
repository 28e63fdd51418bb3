"""How often `predict_level` keeps what it promises, and how many points it answers at each level.

    python benchmarks/levels.py [runs]

Five classes in three levels; probabilities are too sure, and classes of a group are mixed up more than
others. Each run draws labelled points anew and answers the same 5,000 others.
"""

import sys
import warnings

import numpy as np
import pandas as pd

import lucas_habitat as lh

CLASSES = ["B11", "B16", "B21", "C10", "C22"]
LEVELS = lh.class_levels(CLASSES)
ALIKE = np.array([[(a == b).sum() for _, b in LEVELS.iterrows()] for _, a in LEVELS.iterrows()])


def drawn(n, rng):
    truth = rng.integers(0, 5, n)
    logits = 1.5 * (rng.normal(0, 1.3, (n, 5)) + ALIKE[truth])
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return pd.DataFrame(
        {
            "predicted": pd.Categorical.from_codes(p.argmax(axis=1), CLASSES),
            **{f"p_{c}": p[:, k] for k, c in enumerate(CLASSES)},
            "habitat": np.array(CLASSES)[truth],
        }
    )


def right_by_level(answers):
    return {
        level: (rows["predicted"].astype("str") == lh.at_level(rows, level)["habitat"]).mean()
        for level, rows in answers.groupby("predicted_level")
    }


def main(runs):
    rng = np.random.default_rng(1)
    land = drawn(5000, rng)
    table = lh.evaluate(land, levels="lc1", n_boot=0).by_level
    told = [f"{row['level']} {row['overall_accuracy']:.2f}" for _, row in table.iterrows()]
    print("accuracy if every point is answered:", ", ".join(told))
    print("| asked | labelled points | class | level2 | level1 | none | broken at some level |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    warnings.simplefilter("ignore")
    for accuracy, n in ((0.8, 300), (0.9, 300), (0.9, 1000)):
        shares, broken = [], 0
        for _ in range(runs):
            answers = lh.predict_level(land, drawn(n, rng), accuracy)
            shares.append(answers["predicted_level"].fillna("none").value_counts(normalize=True))
            broken += min(right_by_level(answers).values(), default=1.0) < accuracy
        mean = pd.concat(shares, axis=1).fillna(0).mean(axis=1)
        cells = [f"{100 * mean.get(k, 0):.0f} %" for k in ("class", "level2", "level1", "none")]
        print(f"| {accuracy} | {n} | {' | '.join(cells)} | {broken} of {runs} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)

"""Makes shares.json with outside programs: ppi-python 0.2.3 and QuaPy 0.2.3.

Run with `pip install ppi-python==0.2.3 quapy==0.2.3`; shares nothing with lucas-habitat.
"""

import json
from pathlib import Path

import numpy as np
from ppi_py import ppi_mean_ci, ppi_mean_pointestimate
from quapy.method.aggregative import EMQ
from scipy.stats import norm

CLASSES = ["crop", "grass", "wood"]
rng = np.random.default_rng(7)
truth = rng.choice(3, 60, p=[0.5, 0.3, 0.2])
score = 1.3 * np.eye(3)[truth] + rng.normal(size=(60, 3))
p = np.exp(1.3 * score)
p = (p / p.sum(axis=1, keepdims=True)).round(4)
p[:, 2] = (1 - p[:, 0] - p[:, 1]).round(4)
few = 15

label = np.eye(3)[truth]


def powered(predictions):
    """Share, standard error and power by ppi-python."""
    y, own, other = label[:few], predictions[:few], predictions[few:]
    share = ppi_mean_pointestimate(y, own, other)
    plain = ppi_mean_pointestimate(y, own, other, lam=0.0)
    whole = ppi_mean_pointestimate(y, own, other, lam=1.0)
    # Shares are linear in the power.
    power = float(((share - plain) / (whole - plain))[0])
    low, high = ppi_mean_ci(y, own, other, alpha=0.1, lam=power)
    by_oracle = (high - low) / 2 / norm.ppf(0.95)
    # ppi-python divides squares by n; by n - 1 they are unbiased. It is checked that this is all.
    parts = (power * other, y - power * own)
    biased = np.sqrt(sum(v.var(axis=0) / len(v) for v in parts))
    assert np.allclose(biased, by_oracle)
    se = np.sqrt(sum(v.var(axis=0, ddof=1) / len(v) for v in parts))
    return {"share": share.tolist(), "se": se.tolist(), "power": power}


old = np.array([0.2, 0.3, 0.5])
EMQ.MAX_ITER = 100_000
likeliest, _ = EMQ.EM(old.copy(), p, epsilon=1e-13)

new = np.array([0.6, 0.3, 0.1])
raised = p[:4] * new / old
adjusted = raised / raised.sum(axis=1, keepdims=True)

out = {
    "about": [
        "Numbers that estimate_shares() and adjust_shares() in Python and lucas_estimate_shares() and",
        "lucas_adjust_shares() in R must both give.",
    ],
    "how": [
        "make_shares.py: ppi-python 0.2.3 (ppi_mean_pointestimate, ppi_mean_ci with its",
        "variances brought from n to n - 1), QuaPy 0.2.3 (EMQ.EM).",
        "adjusted: p x new / old over its sum, of the first rows.",
    ],
    "tolerance": 1e-6,
    "classes": CLASSES,
    "points": {
        "point_id": [f"p{i}" for i in range(60)],
        "predicted": [CLASSES[i] for i in p.argmax(axis=1)],
        **{f"p_{c}": p[:, i].tolist() for i, c in enumerate(CLASSES)},
        "habitat": [CLASSES[t] if i < few else None for i, t in enumerate(truth)],
    },
    "with_probabilities": powered(p),
    "with_predicted_classes": powered(np.eye(3)[p.argmax(axis=1)]),
    "without_labels": {
        "class_shares": dict(zip(CLASSES, old.tolist(), strict=True)),
        "share": likeliest.tolist(),
    },
    "adjusted": {
        "new_shares": dict(zip(CLASSES, new.tolist(), strict=True)),
        "p": adjusted.tolist(),
        "predicted": [CLASSES[i] for i in adjusted.argmax(axis=1)],
    },
}
path = Path(__file__).with_name("shares.json")
path.write_text(json.dumps(out, indent=1) + "\n", encoding="utf-8")

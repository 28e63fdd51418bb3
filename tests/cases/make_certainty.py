"""Makes certainty.json: sets from MAPIE, thresholds by hand; run where mapie>=1 is installed.

MAPIE's SplitConformalClassifier (score "lac") is given a classifier whose features are its probabilities.
Per class, MAPIE is fitted on the labelled points of each class alone, whose threshold then counts for
that class. MAPIE leaves sets empty that the package fills with the likeliest class; they are kept empty
here.
"""

import json
import re
from pathlib import Path

import numpy as np
from mapie.classification import SplitConformalClassifier
from sklearn.base import BaseEstimator, ClassifierMixin

CLASSES = ["cropland", "grassland", "woody"]


class Given(ClassifierMixin, BaseEstimator):
    """Gives the probabilities that it gets."""

    def fit(self, p, y):
        self.classes_ = np.arange(len(CLASSES))
        return self

    def predict_proba(self, p):
        return p

    def predict(self, p):
        return p.argmax(axis=1)


def drawn(n, rng):
    """Probabilities of two digits, so that ties occur, and true classes that go with them."""
    counts = np.array([rng.multinomial(100, p) for p in rng.dirichlet([0.5, 0.4, 0.3], n)])
    p = counts / 100
    true = np.array([rng.choice(3, p=0.8 * row + 0.2 / 3) for row in p])
    return p, true


def sets_of(p, y, new, coverage):
    """MAPIE's sets, as rows of 0 and 1."""
    model = Given().fit(p, y)
    mapie = SplitConformalClassifier(
        model, confidence_level=coverage, conformity_score="lac", prefit=True
    )
    mapie.conformalize(p, y)
    return mapie.predict_set(new)[1][:, :, 0].astype(int)


def table(p, true):
    columns = {"predicted": [CLASSES[k] for k in p.argmax(axis=1)]}
    columns |= {f"p_{c}": p[:, k].tolist() for k, c in enumerate(CLASSES)}
    return columns | {"habitat": [CLASSES[k] for k in true]}


rng = np.random.default_rng(6)
p, y = drawn(80, rng)
new, new_y = drawn(40, rng)
cases = [
    {"coverage": c, "per_class": False, "sets": sets_of(p, y, new, c).tolist()}
    for c in (0.5, 0.8, 0.9, 0.95)
]
for c in (0.8, 0.9):
    columns = []
    for k in range(3):
        mine = y == k
        columns.append(sets_of(p[mine], y[mine], new, c)[:, k])
    cases.append({"coverage": c, "per_class": True, "sets": np.array(columns).T.tolist()})

about = (
    "prediction_sets(), lucas_prediction_sets(): rows of 0 and 1 by class, from MAPIE 1.6.0 by "
    "make_certainty.py; rows of zeros are those that MAPIE leaves empty, and that hold the likeliest class "
    "here. abstain(), lucas_abstain(), labelling_saved(), lucas_labelling_saved(): 200 labelled points, of "
    "confidences 0.999, 0.998, ... 0.8; the `wrong` least confident ones are wrong."
)
sure = [
    {
        "how": "tried: 100, 120, ... 200 points, since 0.95^80 = 0.0165 > 0.05/6 and 0.95^100 = 0.0059 < "
        "0.05/6; all pass, the last at the whole risk: low = 0.05^(1/200)",
        "wrong": 0, "accuracy": 0.95, "threshold": 0.8, "low": 0.05 ** (1 / 200), "n_sure": 200,
    },
    {
        "how": "100, 120 and 140 pass; 160 has 20 errors and fails, as do the others. 140 is judged at 3 of "
        "6 parts of the risk: low = 0.025^(1/140)",
        "wrong": 60, "accuracy": 0.95, "threshold": 0.86, "low": 0.025 ** (1 / 140), "n_sure": 140,
    },
    {
        "how": "even 0.99^200 = 0.134 > 0.05: nothing can be shown",
        "wrong": 0, "accuracy": 0.99, "threshold": None, "low": None, "n_sure": 0,
    },
]  # fmt: skip
result = {
    "about": about,
    "tolerance": 1e-9,
    "labelled": table(p, y),
    "points": table(new, new_y),
    "sets": cases,
    "sure": sure,
}
out = Path(__file__).with_name("certainty.json")
# An array of numbers or words is one line.
text = re.sub(
    r"\[\s+([^\[\]{}]*?)\s+\]",
    lambda m: "[" + re.sub(r"\s+", " ", m[1]) + "]",
    json.dumps(result, indent=1),
)
out.write_text(text + "\n", encoding="utf-8")

"""Transitions worked out point by point, with EM as its authors wrote it: what is behind transitions.json.

Run once: ``python tests/cases/make_transitions.py``. Nothing here is shared with the package. EM takes
half a million steps, and the sharpness is looked for on a grid.
"""

import json
import math
import random
import re
from itertools import pairwise
from pathlib import Path

CLASSES = ("cropland", "grassland", "woody")
STEPS = 500_000


def draw_points():
    """Sixteen plots in three years; made up, rounded, with what real tables lack."""
    draw = random.Random(7)
    rows, habitat = [], []
    for i in range(16):
        truth = i % 3
        for year in (2012, 2015, 2018):
            if (i in (2, 9) and year == 2015) or (i == 15 and year != 2012):
                continue  # two points skip a year, one is seen once
            if year == 2015 and i % 5 == 4:
                truth = (truth + 1) % 3
            scores = [math.exp(draw.gauss(1.7 * (c == truth), 1)) for c in range(3)]
            p = [round(s / sum(scores), 3) for s in scores]
            p[0] = round(1 - p[1] - p[2], 3)
            if i == 4 and year == 2018:
                p = [0.0, 1.0, 0.0]
            unread = i == 11 and year == 2018
            row = {"point_id": f"plot {i:02d}", "year": year, "n_photos": 0 if unread else 5}
            row["predicted"] = None if unread else CLASSES[p.index(max(p))]
            for name, value in zip(CLASSES, p, strict=True):
                row[f"p_{name}"] = None if unread else value
            rows.append({**row, "calibrated": True})
            habitat.append(CLASSES[truth])
    return rows, habitat


def evidence(row, shares):
    return [math.log(max(row[f"p_{c}"], 1e-6) / shares[c]) for c in CLASSES]


def find_sharpness(rows, labels, shares):
    """The exponent that makes the labels likeliest, given how common they are."""
    used = [(r, h) for r, h in zip(rows, labels, strict=True) if r["predicted"]]
    common = [sum(h == c for _, h in used) / len(used) for c in CLASSES]

    def log_likelihood(s):
        found = 0.0
        for row, label in used:
            terms = [
                w * math.exp(s * e) for w, e in zip(common, evidence(row, shares), strict=True)
            ]
            found += math.log(terms[CLASSES.index(label)] / sum(terms))
        return found

    best, width = 1.0, 0.9
    while width > 1e-7:
        best = max((best + width * step / 20 for step in range(-20, 21)), key=log_likelihood)
        width /= 10
    return best


def em(pairs):
    """Saerens et al. 2002, for two dates: the mean posterior is the next prior."""
    k = len(CLASSES)
    cells = [(a, b) for a in range(k) for b in range(k)]
    likelihood = [[first[a] * second[b] for a, b in cells] for first, second in pairs]
    shares = [1 / len(cells)] * len(cells)
    for _ in range(STEPS):
        mean = [0.0] * len(cells)
        for row in likelihood:
            joint = [t * v for t, v in zip(shares, row, strict=True)]
            total = sum(joint)
            for i, v in enumerate(joint):
                mean[i] += v / total / len(pairs)
        if max(abs(m - t) for m, t in zip(mean, shares, strict=True)) < 1e-15:
            break
        shares = mean
    posterior = []
    for row in likelihood:
        joint = [t * v for t, v in zip(shares, row, strict=True)]
        posterior.append([v / sum(joint) for v in joint])
    return cells, shares, posterior


def work_out(rows, labels, shares, sharpness, years):
    seen = {}
    for row in rows:
        if row["predicted"] and row["year"] in years:
            seen.setdefault(row["point_id"], []).append(row)
    visits = {}
    order = []
    for point, own in seen.items():
        own.sort(key=lambda r: r["year"])
        for a, b in pairwise(own):
            visits.setdefault((a["year"], b["year"]), []).append((a, b))
            order.append((point, a["year"], b["year"]))
    shown = {name: [] for name in ("year_from", "year_to", "class_from", "class_to", "n_predicted",
                                   "n_points", "share", "changed_predicted", "changed")}  # fmt: skip
    told = {}
    for years_, pairs in sorted(visits.items()):
        enough = len(pairs) >= 10
        cells = [(a, b) for a in range(3) for b in range(3)]
        total, posterior = [None] * 9, [None] * len(pairs)
        if enough:
            cells, total, posterior = em(
                [
                    [[math.exp(sharpness * e) for e in evidence(row, shares)] for row in pair]
                    for pair in pairs
                ]
            )
        names = [tuple(row["predicted"] for row in pair) for pair in pairs]
        for (a, b), share in zip(cells, total, strict=True):
            shown["year_from"].append(years_[0])
            shown["year_to"].append(years_[1])
            shown["class_from"].append(CLASSES[a])
            shown["class_to"].append(CLASSES[b])
            shown["n_predicted"].append(names.count((CLASSES[a], CLASSES[b])))
            shown["n_points"].append(len(pairs))
            shown["share"].append(share)
            shown["changed_predicted"].append(sum(x != y for x, y in names) / len(names))
            shown["changed"].append(
                sum(t for (x, y), t in zip(cells, total, strict=True) if x != y) if enough else None
            )
        for (a, b), found in zip(pairs, posterior, strict=True):
            changed = likeliest = None
            if enough:
                changed = sum(v for (x, y), v in zip(cells, found, strict=True) if x != y)
                likeliest = cells[found.index(max(found))]
            told[a["point_id"], *years_] = {
                "predicted_from": a["predicted"],
                "predicted_to": b["predicted"],
                "p_from": a[f"p_{a['predicted']}"],
                "p_to": b[f"p_{b['predicted']}"],
                "p_changed": changed,
                "verdict": "changed" if enough and changed >= 0.9
                else "same" if enough and changed <= 0.1 else "in doubt",
                "likeliest_from": CLASSES[likeliest[0]] if enough else None,
                "likeliest_to": CLASSES[likeliest[1]] if enough else None,
            }  # fmt: skip
    rows_ = [{"point_id": p, "year_from": a, "year_to": b, **told[p, a, b]} for p, a, b in order]
    return shown, {name: [row[name] for row in rows_] for name in rows_[0]}


def main():
    rows, habitat = draw_points()
    equal = dict.fromkeys(CLASSES, 1 / 3)
    uneven = {"cropland": 0.5, "grassland": 0.3, "woody": 0.2}
    cases = []
    for name, arguments, labels in (
        ("as they are", {}, False),
        ("class shares", {"class_shares": uneven}, False),
        ("labels", {"class_shares": uneven}, True),
        ("two of three campaigns", {"years": [2012, 2018]}, False),
    ):
        shares = arguments.get("class_shares", equal)
        sharpness = find_sharpness(rows, habitat, shares) if labels else 1.0
        years = arguments.get("years", [2012, 2015, 2018])
        shown, told = work_out(rows, habitat, shares, sharpness, years)
        cases.append({"name": name, "arguments": arguments, "labels": labels, "sharpness": sharpness,
                      "transitions": shown, "changes": told})  # fmt: skip
    out = {
        "about": [
            "Numbers that transitions() and changes() in Python and lucas_transitions() and",
            "lucas_changes() in R must give, as make_transitions.py worked them out. habitat is a",
            "column that the points get where a case has labels. null is a missing value (NA, NaN).",
        ],
        "tolerance": 1e-6,
        "warning": "Few points were seen in both years|Mean probabilities of several photos",
        "points": rows,
        "habitat": habitat,
        "cases": cases,
    }
    text = json.dumps(out, indent=1)
    file = Path(__file__).with_name("transitions.json")
    # Lists of plain values on one line.
    text = re.sub(r"\[\s+([^\[\]{}]*?)\s+\]", lambda m: "[" + re.sub(r"\s+", " ", m[1]) + "]", text)
    file.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

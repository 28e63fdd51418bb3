"""The pilot's comparison, and its page."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from .._base import words
from .._base.tables import read_table
from ..evaluation import Evaluation
from ..pages.html import element, fact_list, html_table, paragraph
from ..pages.page import Section
from ..survey.journal import DOWNLOAD_STATUSES
from .outcome import EVALUATIONS
from .run_folder import COMPARISON, REPORT, Run

#: What the pilot reached, an R keras script with a frozen Xception and four classes in Denmark.
PILOT = {"overall_accuracy": 0.734, "kappa": 0.650}

#: Steps that photos of one's own do without; another one's notes may still be in the folder.
_OF_SURVEY = ("survey", "points")
_STEPS = {
    "survey": "Reading the survey's table",
    "points": "Choosing points",
    "photos": "Fetching photos",
    "model": "Training",
    "predictions": "Classifying, voting, evaluating",
    "report": "Writing the page",
}


def comparison_table(evaluations: Mapping[str, Evaluation]) -> pd.DataFrame:
    """Accuracy of photos and points beside the published pilot's, one row each."""
    rows: list[dict[str, Any]] = []
    for unit, e in evaluations.items():
        row: dict[str, Any] = {"unit": unit, "n": e.n, "n_points": e.n_points}
        for name in PILOT:
            low, high = getattr(e, f"{name}_interval")
            row |= {name: getattr(e, name), f"{name}_low": low, f"{name}_high": high}
        rows.append(row)
    table = pd.DataFrame([*rows, {"unit": "pilot", **PILOT}])
    return table.astype({"n": "Int64", "n_points": "Int64"})


def run_result(folder: Path) -> pd.DataFrame:
    """The comparison of a finished run, with where its report is."""
    table = read_table(folder / COMPARISON)
    table = table.astype({"n": "Int64", "n_points": "Int64"})
    table.attrs = {"report": str(folder / REPORT), "folder": str(folder)}
    return table


def describe_comparison(comparison: pd.DataFrame) -> list[str]:
    """What `pilot` gave, as a line each for photos, points and the pilot."""
    lines = []
    for row in comparison.to_dict("records"):
        line = f"{row['unit']:<7}"
        for name in PILOT:
            low, high = row[f"{name}_low"], row[f"{name}_high"]
            interval = "" if pd.isna(low) else f" ({low:.3f} to {high:.3f})"
            line += f"  {name.replace('_', ' ')} {row[name]:.3f}{interval:<17}"
        lines.append(line.rstrip() + ("" if pd.isna(row["n"]) else f"  n {row['n']}"))
    return lines


def beside_the_pilot(comparison: pd.DataFrame) -> Section:
    """The section that compares with the published pilot."""
    units = {"photos": "each photo", "points": "votes of a point", "pilot": "the pilot"}
    shown = pd.DataFrame(
        {
            "": comparison["unit"].map(units),
            "compared": [f"{n}" if pd.notna(n) else "" for n in comparison["n"]],
        }
    )
    for name, label in (("overall_accuracy", "overall accuracy"), ("kappa", "kappa")):
        shown[label] = [f"{v:.3f}" for v in comparison[name]]
        ends = zip(comparison[f"{name}_low"], comparison[f"{name}_high"], strict=True)
        shown[f"{label}, 95 %"] = [
            "" if pd.isna(low) or pd.isna(high) else f"{low:.3f} to {high:.3f}"
            for low, high in ends
        ]
    section = Section("Beside the pilot", [html_table(shown, "This run and the pilot")])
    section.parts.append(
        paragraph(
            "The pilot was an R keras script: frozen Xception, four classes, Denmark. It split photos, "
            "not points, so views of a test point could be among those it learned from: its figures are, "
            "if anything, too high, and rest on other photos than these."
        )
    )
    section.tables["comparison"] = comparison
    return section


def share_command(run: Run, folder: Path | None = None) -> str:
    """How the model of a run is handed on, in the words of all languages.

    Paths are as seen from the run's folder, or from where its folder has the path given.
    """
    inside = folder or Path()
    model = str(inside / "model")
    out = f"{folder or run.folder.name}.zip"
    evaluations = [str(inside / EVALUATIONS.format(unit)) for unit in ("photos", "points")]
    # The survey's points are public; those of one's own are named by who wants that.
    is_own = run.settings["photos"] is not None
    listed = ", ".join(map(_quoted, evaluations))
    return words.either(
        f'share_model({_quoted(model)}, {_quoted(out)}, licence="CC-BY-4.0", authors="Your name", '
        f"evaluation=[{listed}]{'' if is_own else ', name_points=True'})",
        f'lucas_share_model({_quoted(model)}, {_quoted(out)}, licence = "CC-BY-4.0", authors = "Your name", '
        f"evaluation = c({listed}){'' if is_own else ', name_points = TRUE'})",
        f"lucas-habitat share-model {shlex.join([model, out])} --licence CC-BY-4.0 --authors 'Your name' "
        f"--evaluation {shlex.join(evaluations)}{'' if is_own else ' --name-points'}",
    )


def _quoted(text: str) -> str:
    """A text in double quotes, as Python and R read it."""
    return json.dumps(text, ensure_ascii=False)


def handed_on(run: Run) -> Section:
    """The section that tells how others may start from this model."""
    command = share_command(run)
    section = Section("Hand it on")
    section.parts += [
        paragraph(
            "Who has no labelled photos can start from this model. One command, run in the folder of this "
            "page, writes it into one file, with these accuracies, its limits, licence and credit on a page "
            "of its own, and without names of photos:"
        ),
        fact_list(
            {
                "In a shell": element("code", words.in_shell(command, ())),
                "In R": element("code", words.in_r(command)),
                "In Python": element("code", words.in_python(command)),
            }
        ),
    ]
    return section


def how_made(run: Run) -> Section:
    """The section that tells the settings and the time of each step."""
    steps = run.steps
    is_own = run.settings["photos"] is not None
    seconds = pd.DataFrame(
        [
            {"step": _STEPS[name], "seconds": steps[name]["seconds"]}
            for name in _STEPS
            if name in steps
            and name != "report"  # that is being written
            and not (is_own and name in _OF_SURVEY)
        ]
    )
    section = Section("How it was made")
    section.tables["steps"] = seconds
    times = html_table(
        seconds.assign(seconds=[f"{s:,.0f}" for s in seconds["seconds"]]),
        "Time taken, seconds; of a run in several goes, of each step's last",
    )
    if is_own:
        sides = steps["photos"]["sides"]
        facts = {
            "Photos to train on": sides.get("train", 0),
            "Photos to test on": sides.get("test", 0),
        }
        section.parts += [fact_list({name: f"{n:,}" for name, n in facts.items()}), times]
        return section
    photos = pd.DataFrame(
        [
            {"status": status, "meaning": DOWNLOAD_STATUSES[status], "photos": n}
            for status, n in steps["photos"]["photos"].items()
        ]
    )
    selection = pd.DataFrame(
        [{"condition": k, "rows": n} for k, n in steps["points"]["selection"].items()]
    )
    survey = steps["survey"]
    repairs = ", ".join(f"{k.replace('_', ' ')} {n:,}" for k, n in survey["repairs"].items())
    section.parts += [
        fact_list(
            {
                "Tables": ", ".join(survey["tables"]),
                "Rows of the country": f"{survey['rows']:,}",
                "Values put right": repairs or "none",
                "Rows that cannot be right, left out": f"{survey['problems']:,}",
                "Photos from": run.settings["base"],
            }
        ),
        html_table(selection, "Points left after each condition"),
        html_table(photos, "Photos asked for"),
        times,
    ]
    section.tables |= {"photos_fetched": photos, "selection": selection}
    return section

"""The reference: a page a topic, with its functions in R, in Python and in the shell, from their own help."""

from __future__ import annotations

import argparse
import html
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

import lucas_habitat
from lucas_habitat._base.words import NAMES
from lucas_habitat.cli.main import make_parser

from .formulas import with_formulas_of_r

#: Topics of R's help by subject. What R lacks is a page of its own, with the Python names on it.
SUBJECTS: dict[str, tuple[str | tuple[str, str, tuple[str, ...]], ...]] = {
    "Setting up": ("lucas_install", "lucas_status", "lucas_cache_info", "lucashabitat-package"),
    "The survey": ("lucas_survey", "lucas_download", "lucas_habitat"),
    "Photos": (
        "lucas_photos",
        "lucas_locate",
        "lucas_near_duplicates",
        "lucas_split",
        "lucas_check_split",
        "lucas_demo_photos",
    ),
    "Models": (
        "lucas_train",
        "lucas_model",
        "lucas_model_methods",
        "lucas_calibrate",
        "lucas_quantize",
        "lucas_cross_validate",
        "lucas_compare_recipes",
        "lucas_save",
        "lucas_share_model",
    ),
    "Predictions": (
        "lucas_classify",
        "lucas_vote",
        "lucas_vote_gain",
        "lucas_in_training",
        "lucas_levels",
        "lucas_predict_level",
    ),
    "How right they are": (
        "lucas_evaluate",
        "lucas_compare",
        "lucas_reliability",
        "lucas_error_by_distance",
        "lucas_prediction_sets",
        "lucas_abstain",
        "lucas_validate_map",
    ),
    "What a person looks at": (
        "lucas_review_list",
        "lucas_doubted_labels",
        "lucas_sort_photos",
        "lucas_read_sorted",
        "lucas_app",
    ),
    "Shares, change, covariates": (
        "lucas_estimate_shares",
        "lucas_changes",
        "lucas_covariates",
        "lucas_odmap",
    ),
    "Handing on": (
        "lucas_write_xmp",
        "lucas_write_dwca",
        "lucas_write_croissant",
        ("to_r", "Tables for R from Python", ("to_r", "save_rds")),
    ),
    "Pictures and pages": ("lucas_plot", "lucas_colours", "lucas_report"),
    "Whole studies": ("lucas_pilot", ("run_demo", "The demo", ("run_demo",))),
}

#: Python's names that go with a topic without being a function of R's.
BESIDE = {
    "lucas_classify": ("Run",),
    "lucas_compare": ("Comparison",),
    "lucas_compare_recipes": ("RecipeComparison",),
    "lucas_download": ("photo_url",),
    "lucas_evaluate": ("Evaluation",),
    "lucas_model_methods": ("HabitatModel",),
    "lucas_share_model": ("SharedModel",),
    "lucas_check_split": ("SplitCheck",),
    "lucas_validate_map": ("MapAccuracy",),
}

#: Several commands have an option `--plot`, each for a picture of its own.
DRAWN_BY = {
    "plot_distance": "lucas-habitat error-by-distance",
    "plot_labelling": "lucas-habitat abstain",
    "plot_recipes": "lucas-habitat compare-recipes",
    "plot_transitions": "lucas-habitat transitions",
}

#: Names that a page bears where its first function's would mislead.
SLUGS = {
    "lucas_plot": "plots",
    "lucas_survey": "survey",
    "lucas_model_methods": "habitat_model",
    "lucas_install": "install",
    "lucas_status": "status",
    "lucashabitat-package": "package",
    "lucas_habitat": "classes",
    "lucas_save": "models",
    "lucas_cache_info": "cache",
}


@dataclass(frozen=True)
class Topic:
    """A page of the reference."""

    slug: str
    title: str
    r: Sequence[str]  # its functions in R, in the order of the help
    python: Sequence[str]
    help: str  # R's, as HTML

    @property
    def file(self) -> str:
        return f"reference/{self.slug}.md"


def write_reference(topics: Mapping[str, Topic], pages: Path) -> list[object]:
    """Write all pages of the reference; gives their part of the navigation."""
    (pages / "reference").mkdir(parents=True, exist_ok=True)
    by_subject = {
        subject: [topics[t if isinstance(t, str) else t[0]] for t in names]
        for subject, names in SUBJECTS.items()
    }
    links = Links(topics)
    for topic in topics.values():
        (pages / topic.file).write_text(links.page(topic), encoding="utf-8")
    (pages / "reference" / "index.md").write_text(_overview(by_subject, links), encoding="utf-8")
    (pages / "reference" / "commands.md").write_text(_command_line(links), encoding="utf-8")
    (pages / "reference" / "errors.md").write_text(_ERRORS, encoding="utf-8")
    return [
        "reference/index.md",
        *(
            {subject: [{topic.slug: topic.file} for topic in topics]}
            for subject, topics in by_subject.items()
        ),
        {"The command line": "reference/commands.md"},
        {"Errors and modules": "reference/errors.md"},
    ]


def read_topics(root: Path, work: Path) -> dict[str, Topic]:
    """All pages of the reference; those of R's help by the name of their file."""
    work.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["Rscript", str(root / "tools/docs/rd.R"), str(root / "man"), str(work)], check=True
    )
    aliases: dict[str, list[str]] = {}
    for line in (work / "aliases.tsv").read_text(encoding="utf-8").splitlines():
        topic, alias = line.split("\t")
        aliases.setdefault(topic, []).append(alias)
    exported = set(re.findall(r"^export\((\w+)\)", (root / "NAMESPACE").read_text(), re.M))
    in_python = {name.r: python for python, name in NAMES.items() if name.r}
    topics = {}
    for name, all_aliases in aliases.items():
        page = (work / f"{name}.html").read_text(encoding="utf-8")
        r = [alias for alias in all_aliases if alias in exported]
        python = [in_python[one] for one in r if one in in_python] + list(BESIDE.get(name, ()))
        title = html.unescape(re.search(r"<h2>(.*?)</h2>", page, re.S)[1])
        slug = SLUGS.get(name) or (python[0] if python else name)
        topics[name] = Topic(slug, title, r, python, page)
    for names in SUBJECTS.values():
        for one in names:
            if not isinstance(one, str):
                slug, title, python = one
                topics[slug] = Topic(slug, title, (), python, "")
    return topics


class _Commands:
    """The help of each command, and which commands have an option."""

    def __init__(self) -> None:
        os.environ["COLUMNS"] = "84"
        os.environ["NO_COLOR"] = "1"
        self.parser = make_parser()
        self.help: dict[str, str] = {}
        self.options: dict[str, list[str]] = {}
        self._read("lucas-habitat", self.parser)

    def _read(self, name: str, parser: argparse.ArgumentParser) -> None:
        self.help[name] = parser.format_help()
        for action in parser._actions:
            for option in action.option_strings:
                self.options.setdefault(option, []).append(name)
            if isinstance(action, argparse._SubParsersAction):
                for word, below in action.choices.items():
                    self._read(f"{name} {word}", below)


class Links:
    """Pages of topics, with links between them."""

    def __init__(self, topics: Mapping[str, Topic]) -> None:
        self.topics = topics
        self.commands = _Commands()
        self.of_python = {name: topic for topic in topics.values() for name in topic.python}
        self.of_command = {
            NAMES[name].shell: topic
            for name, topic in self.of_python.items()
            if name in NAMES and (NAMES[name].shell or "").startswith("lucas-habitat ")
        }

    def targets(self) -> dict[str, str]:
        """Where the help of each function and command is, by how pages name it."""
        found = {}
        for topic in self.topics.values():
            found |= {f"{name}()": f"{topic.file}#{name}" for name in topic.r}
            found |= {
                f"{n}()": f"{topic.file}#lucas_habitat.{n}" for n in topic.python if n in NAMES
            }
        for command, topic in self.of_command.items():
            found[command] = f"{topic.file}#{_anchor(self.helped(command))}"
        return found

    def page(self, topic: Topic) -> str:
        """The page of a topic: its names in all languages, and its help in each."""
        parts = [f"# {topic.title}", self.table(topic)]
        if topic.r or topic.help:
            parts.append(_tab("R", self._in_r(topic)))
        if topic.python:
            parts.append(_tab("Python", "\n\n".join(map(_in_python, topic.python))))
        shell = {self.helped(command) for command in self.commands_of(topic)}
        if shell:
            parts.append(_tab("Shell", "\n\n".join(map(self.in_shell, sorted(shell)))))
        return "\n\n".join(parts) + "\n"

    def commands_of(self, topic: Topic) -> list[str]:
        return [
            command
            for command, other in self.of_command.items()
            if other is topic and command is not None
        ]

    def table(self, topic: Topic) -> str:
        """The names of a topic's functions in the three languages, a row a function."""
        rows = ["| R | Python | Shell |", "|---|---|---|"]
        twins = {NAMES[name].r: name for name in topic.python if name in NAMES}
        for r in topic.r:
            rows.append(self._row(topic, r, twins.get(r)))
        rows += [
            self._row(topic, None, name)
            for name in topic.python
            if name not in NAMES or not NAMES[name].r
        ]
        return "\n".join(rows) if len(rows) > 2 else ""

    def _row(self, topic: Topic, r: str | None, python: str | None) -> str:
        cells = [f"[`{r}()`](#{_anchor(r)})" if r else "", "", ""]
        if python:
            brackets = "()" if python in NAMES else ""
            cells[1] = f"[`{python}{brackets}`](#lucas_habitat.{python})"
            cells[2] = self._shell_cell(topic, python)
        return f"| {' | '.join(cells)} |"

    def _shell_cell(self, topic: Topic, python: str) -> str:
        """A command with a link to its help, or an option with the commands that have it."""
        shell = NAMES[python].shell if python in NAMES else None
        if shell is None:
            return ""
        if not shell.startswith("--"):
            return f"[`{shell}`](#{_anchor(self.helped(shell))})"
        places = []
        commands = self.commands.options.get(shell, ())
        for command in [DRAWN_BY[python]] if python in DRAWN_BY else commands:
            page = self.of_command.get(command)
            word = command.removeprefix("lucas-habitat ")
            same = "" if page is topic else f"{page.slug}.md" if page else "commands.md"
            places.append(f"[`{word} {shell}`]({same}#{_anchor(command)})")
        return ", ".join(places)

    def helped(self, command: str) -> str:
        """The command whose help tells of this one: `cache` of `cache info`."""
        return command if command in self.commands.help else command.rpartition(" ")[0]

    def _in_r(self, topic: Topic) -> str:
        heading = "\n\n".join(f'<span id="{_anchor(name)}"></span>' for name in topic.r)
        name = ", ".join(f"`{one}()`" for one in topic.r) if 0 < len(topic.r) < 5 else "In R"
        body = re.search(r"</h2>(.*)</div>\s*</body>", topic.help, re.S)[1]
        return f"{heading}\n\n## {name}\n\n~~~~~~rd\n{self._help(body)}\n~~~~~~"

    def _help(self, body: str) -> str:
        """R's help as the site shows it: links resolved, code coloured, tables of arguments as lists."""
        body = (
            body.replace("\u2060", "")
            .replace("&#8288;", "")
            .replace(' style="white-space: pre;"', "")
        )
        body = re.sub(r'href="#topic:([\w.-]+)"', self._href, body)
        body = re.sub(r'<a href="\.\./\.\./[^"]*">(.*?)</a>', r"\1", body, flags=re.S)
        body = re.sub(
            r"<h3>Arguments</h3>\s*<table>(.*?)</table>(?=\s*(<h3>|$))",
            _arguments,
            body,
            flags=re.S,
        )
        body = re.sub(
            r"<pre>(?:<code class='language-R'>)?(.*?)(?:</code>)?</pre>",
            _coloured,
            body,
            flags=re.S,
        )
        body = re.sub(r"<h4>(.*?)</h4>", r"<h4>\1</h4>", body)
        return re.sub(r"\n{2,}", "\n", with_formulas_of_r(body))

    def _href(self, match: re.Match[str]) -> str:
        return f'href="{self.topics[match[1]].slug}.html"'

    def in_shell(self, command: str) -> str:
        return (
            f"## `{command}` {{ #{_anchor(command)} }}\n\n```text\n{self.commands.help[command]}```"
        )


def _in_python(name: str) -> str:
    return f"::: lucas_habitat.{name}"


def _tab(label: str, text: str) -> str:
    indented = "\n".join(f"    {line}" if line else "" for line in text.splitlines())
    return f'=== "{label}"\n\n{indented}'


def _anchor(name: str) -> str:
    return name.replace(" ", "-")


def _arguments(match: re.Match[str]) -> str:
    rows = re.findall(
        r'<tr style="vertical-align: top;"><td>(.*?)</td>\s*<td>\s*(.*?)</td></tr>', match[1], re.S
    )
    items = "".join(f"<dt>{name}</dt>\n<dd>{what}</dd>\n" for name, what in rows)
    return f"<h3>Arguments</h3>\n<dl>\n{items}</dl>"


def _coloured(match: re.Match[str]) -> str:
    code = html.unescape(re.sub(r"<[^>]+>", "", match[1])).strip("\n")
    return highlight(
        code, get_lexer_by_name("r"), HtmlFormatter(cssclass="highlight", wrapcode=True)
    ).strip()


def _overview(by_subject: Mapping[str, Sequence[Topic]], links: Links) -> str:
    """All functions in all languages on one page."""
    parts = [
        "# Reference",
        "Every function, by what it is for. A page has its help in R, in Python and in the shell; the choice "
        "of language goes along from page to page.",
    ]
    for subject, topics in by_subject.items():
        rows = [f"## {subject}\n", "| What for | R | Python | Shell |", "|---|---|---|---|"]
        for topic in topics:
            commands = links.commands_of(topic)
            cells = (
                f"[{topic.title}]({topic.slug}.md)",
                "<br>".join(f"`{name}()`" for name in topic.r),
                "<br>".join(f"`{n}()`" if n in NAMES else f"`{n}`" for n in topic.python),
                "<br>".join(f"`{c.removeprefix('lucas-habitat ')}`" for c in commands),
            )
            rows.append(f"| {' | '.join(cells)} |")
        parts.append(
            "\n".join([*rows[:1], '<div class="names" markdown>', "", *rows[1:], "", "</div>"])
        )
    return "\n\n".join(parts) + "\n"


def _command_line(links: Links) -> str:
    """The help of the program, and where each command's is."""
    parts = [
        "# The command line",
        "`lucas-habitat COMMAND --help` tells what a command takes. Messages name options as they are typed.",
        f"```text\n{links.commands.help['lucas-habitat']}```",
        "| Command | What for |\n|---|---|\n"
        + "\n".join(
            f"| [`{command}`]({topic.slug}.md#{_anchor(links.helped(command))}) | {topic.title} |"
            for command, topic in links.of_command.items()
        ),
    ]
    there = {links.helped(command) for command in links.of_command}
    left = set(links.commands.help) - there - {"lucas-habitat"}
    parts += [links.in_shell(command) for command in sorted(left)]
    return "\n\n".join(parts) + "\n"


_ERRORS = """# Errors and modules

All that the package complains about is in `lucas_habitat.errors`. In R an `InputError` is a condition of
class `lucas_input_error`, and so on; all errors are `lucas_error`, warnings `lucas_warning`, messages
`lucas_message`: `tryCatch(..., lucas_error = function(error) ...)`.

::: lucas_habitat.errors
    options:
      heading_level: 2

::: lucas_habitat.engines
    options:
      heading_level: 2

::: lucas_habitat.images
    options:
      heading_level: 2
"""


def missing_names(root: Path, topics: Mapping[str, Topic]) -> list[str]:
    """Public names, of both languages, without a page in the navigation."""
    listed = {t if isinstance(t, str) else t[0] for names in SUBJECTS.values() for t in names}
    shown = [topic for name, topic in topics.items() if name in listed]
    exported = set(re.findall(r"^export\((\w+)\)", (root / "NAMESPACE").read_text(), re.M))
    names = (set(lucas_habitat.__all__) - {"__version__"}) | exported
    there = {name for topic in shown for name in (*topic.python, *topic.r)}
    return sorted(names - there) + sorted(set(topics) - listed)

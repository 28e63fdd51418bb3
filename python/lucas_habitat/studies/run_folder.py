"""The folder of a run: what was done with which settings, so that it can go on."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from .._base import words
from .._base.files import file_sha256, write_json
from .._base.tables import read_table, write_table
from .._base.version import __version__
from ..errors import InputError, some, warn
from ..photos import within

_RUN, COMPARISON, REPORT = "run.json", "comparison.csv", "report.html"


class Run:
    """What was done in a folder, written down after each step, so that another run can go on."""

    def __init__(self, folder: Path, settings: dict[str, Any], overwrite: bool) -> None:
        former = _former_run(folder)
        self.folder = folder
        self.settings: dict[str, Any] = json.loads(json.dumps(settings, default=str))
        self.steps = former.steps
        self.is_finished = (
            former.is_finished
            and not overwrite
            and all((folder / name).is_file() for name in (COMPARISON, REPORT))
        )
        if self.is_finished:
            _check_same_settings(folder, former.settings, self.settings)
        self._key = ""

    def step(
        self,
        name: str,
        work: Callable[[], Mapping[str, Any] | None],
        *,
        settings: Iterable[str] = (),
        files: Iterable[str],
        again: bool = False,
    ) -> None:
        """Do a step, unless it was done with the same settings and the files it makes are there.

        Parameters
        ----------
        name : str
            The step's name in ``run.json``.
        work : callable
            Does the step; what it returns is noted with it.
        settings : iterable of str
            The names of settings that the step rests on, beside the steps before it; those that were
            not written down play no part.
        files : iterable of str
            What the step makes in the folder.
        again : bool, default False
            Whether to do it even if it was done.
        """
        self._key = digest(
            [self._key, name, {k: self.settings[k] for k in settings if k in self.settings}]
        )
        is_done = self.steps.get(name, {}).get("key") == self._key and all(
            (self.folder / file).is_file() for file in files
        )
        if is_done and not again:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        self.steps.pop(name, None)  # a run that is killed now must do the step when it goes on
        self._write(is_finished=False)
        start = time.perf_counter()
        notes = work() or {}
        seconds = round(time.perf_counter() - start, 1)
        self.steps[name] = {"key": self._key, "seconds": seconds, **notes}
        self._write(is_finished=False)

    def rest_on(self, name: str) -> None:
        """Let the next steps depend on a file's content instead of on the steps before."""
        self._key = file_sha256(self.folder / name)

    def finish(self) -> None:
        """Note that the run is finished."""
        self._write(is_finished=True)

    def photos(self, name: str) -> pd.DataFrame:
        """A table of photos, with paths of where the folder is now."""
        return within(read_table(self.folder / name), self.folder)

    def write_photos(self, table: pd.DataFrame, name: str) -> None:
        """Write a table, paths within the folder relative to it, so that it can be moved or handed on."""
        inside = os.path.join(self.folder, "")
        paths = [
            Path(os.path.relpath(p, self.folder)).as_posix() if p.startswith(inside) else p
            for p in table["path"]
        ]
        write_table(table.assign(path=paths), self.folder / name)

    def _write(self, is_finished: bool) -> None:
        write_json(
            {
                "lucas_habitat": __version__,
                "finished": is_finished,
                "settings": self.settings,
                "steps": self.steps,
            },
            self.folder / _RUN,
        )


def digest(values: object) -> str:
    """A fingerprint of plain values."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


class _FormerRun(NamedTuple):
    """What is written down of a run in its folder."""

    settings: dict[str, Any]
    steps: dict[str, Any]
    is_finished: bool


def _former_run(folder: Path) -> _FormerRun:
    """The run that a folder holds, an empty one where it is new; refuse a folder of something else."""
    file = folder / _RUN
    if file.is_file():
        try:
            note = json.loads(file.read_text(encoding="utf-8"))
            return _FormerRun(
                dict(note["settings"]), dict(note["steps"]), bool(note.get("finished"))
            )
        except (ValueError, KeyError, TypeError) as error:
            warn(
                f"{file} is damaged ({error}): all steps are done again, with the photos that are "
                "there."
            )
    elif folder.exists() and (
        not folder.is_dir() or any(not f.name.startswith(".") for f in folder.iterdir())
    ):
        raise InputError(
            f"{folder} exists and holds no run of {words.call('pilot')}; it is left as it is. Give "
            "another folder."
        )
    return _FormerRun({}, {}, False)


def _check_same_settings(folder: Path, former: dict[str, Any], settings: dict[str, Any]) -> None:
    """Refuse to touch a finished run that was made with other settings."""
    differences = [
        difference(name, former[name], value)
        for name, value in settings.items()
        if former.get(name, value) != value
    ]
    if differences:
        raise InputError(
            f"{folder} holds a finished run with other settings: {some(differences)}. Give another "
            f"folder, or replace it explicitly ({words.arg('overwrite', True)})."
        )


def difference(name: str, was: Any, is_: Any) -> str:
    """How a setting differs from what it was, in words."""
    if isinstance(was, dict) and isinstance(is_, dict):
        keys = sorted(k for k in {*was, *is_} if was.get(k) != is_.get(k))
        return ", ".join(f"{k} was {_shown(was.get(k))}, is {_shown(is_.get(k))}" for k in keys)
    return f"{name} was {_shown(was)}, is {_shown(is_)}"


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."

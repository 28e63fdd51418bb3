"""What a worker of the cluster does: photos to predictions, by a model that it loads once."""

from __future__ import annotations

import os
import platform
import warnings
from typing import Any

import pandas as pd
import pyarrow as pa
import ray

from .._base.runs import STAMP
from .._base.tables import tidy_types
from ..engines import Target, use_cores
from ..errors import InputError, LucasMessage, LucasWarning
from ..predicting import Block, iter_predictions
from ..runs.listing import conformed
from ..runs.parts import fitted, part_table
from .dataset import ID
from .packed import unpack

__all__ = ["Classifier"]


class Classifier:
    """Classifies blocks of photos on some of a machine's cores, and a GPU where the target is one."""

    def __init__(
        self,
        model: Any,  # a reference to a packed one, which Ray brings to each machine once
        target: Target,
        threads: int,
        listed: pa.Schema,
        schema: pa.Schema,
        flag_unlike: bool,
        computing: dict[str, Any],
    ) -> None:
        use_cores(threads)
        self._model = unpack(ray.get(model))
        self._target, self._listed, self._schema = target, listed, schema
        self._flag_unlike, self._computing = flag_unlike, computing

    def __call__(self, photos: pa.Table) -> pa.Table:
        """The predictions of a block, in the schema of the run's parts."""
        table = tidy_types(conformed(photos.drop_columns([ID]), self._listed).to_pandas())
        with warnings.catch_warnings():
            # Said on the machine that began the run.
            warnings.simplefilter("ignore", LucasWarning)
            warnings.simplefilter("ignore", LucasMessage)
            (block,) = iter_predictions(
                [table],
                len(table),
                self._model,
                self._target,
                contents=True,
                flag_unlike=self._flag_unlike,
                progress=False,
                **self._computing,
            )
        _check_visible(table, block)
        predictions = fitted(part_table(block, self._listed), self._schema)
        return predictions.append_column(ID, photos.column(ID))


def _check_visible(photos: pd.DataFrame, block: Block) -> None:
    """Refuse to take photos for missing that lie where this machine does not look."""
    is_listed = photos[STAMP].notna()
    if not is_listed.any() or block.has_content[is_listed].any():
        return
    folders = {os.path.dirname(path) for path in photos.loc[is_listed, "path"]}
    if not any(os.path.isdir(folder) for folder in folders):
        raise InputError(
            f"The machine {platform.node()} of the cluster does not have the folders of the photos, "
            f"such as {sorted(folders)[0]}. Photos must lie on a file system that all machines see "
            "under the same path, or behind an address."
        )

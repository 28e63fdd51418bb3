"""Types that several rooms share."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["Column", "Floats", "Photos", "Scheme", "Table"]

Floats = npt.NDArray[np.float64]
#: A column by its name in a table, or as many values as the table has rows.
Column = str | pd.Series | pd.DataFrame | Sequence[Any]
#: A table, or the CSV or Parquet file that holds one.
Table = pd.DataFrame | str | os.PathLike[str]
#: What `list_photos` takes: a table, a folder, a photo, a glob, or a list of photos.
Photos = Table | Sequence[str | os.PathLike[str]]
#: A scheme of classes by its name, as a table of codes and classes, its file, or classes by code.
Scheme = Table | Mapping[str, str | None]

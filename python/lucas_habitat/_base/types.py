"""Types that several rooms share."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["Floats", "Photos", "Table"]

Floats = npt.NDArray[np.float64]
#: A table, or the CSV or Parquet file that holds one.
Table = pd.DataFrame | str | os.PathLike[str]
#: What `list_photos` takes: a table, a folder, a photo, a glob, or a list of photos.
Photos = Table | Sequence[str | os.PathLike[str]]

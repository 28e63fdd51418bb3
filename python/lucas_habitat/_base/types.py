"""Types that several rooms share."""

from __future__ import annotations

import os

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["Floats", "Table"]

Floats = npt.NDArray[np.float64]
#: A table, or the CSV or Parquet file that holds one.
Table = pd.DataFrame | str | os.PathLike[str]

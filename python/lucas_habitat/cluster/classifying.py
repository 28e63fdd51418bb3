"""Runs on a Ray cluster."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from .._base.runs import Run
from .._base.types import Photos
from ..model import HabitatModel
from ..runs.listing import Listing
from ..runs.writing import classify_into
from .connection import connected

__all__ = ["classify_on_ray"]


def classify_on_ray(
    out: str | os.PathLike[str],
    photos: Photos,
    model: HabitatModel,
    device: str,
    precision: str | None,
    address: str | None,
    settings: dict[str, Any],
) -> Run:
    """Classify photos into the folder of a run on a Ray cluster; see `classify`."""
    with connected(address) as cluster:
        # Ray takes seconds to import, and is installed where it is wanted.
        from .photos_job import classify_new, target_on

        target = target_on(cluster, model, device, precision)

        def classify_elsewhere(folder: Path, listing: Listing) -> None:
            classify_new(folder, listing, model, target, cluster, settings)

        return classify_into(
            out, photos, model, target, **settings, new_photos_elsewhere=classify_elsewhere
        )

"""What R asks for that Python users do not, and what R keeps as attributes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lucas_habitat

from .._base.signatures import checked
from .models import restore_model

__all__ = ["FOR_R"]


def _read_run(run: str) -> Any:
    """The table of a run."""
    from .._base.runs import read_run

    return read_run(run)


def _covariates(points: Any, **options: Any) -> dict[str, Any]:
    """Covariates with their support, which R keeps as an attribute."""
    table = lucas_habitat.covariates(points, **options)
    return {"covariates": table, "support": lucas_habitat.support(table)}


def _read_survey(source: str, **options: Any) -> dict[str, Any]:
    """A survey table with what was put right and left out, which R keeps as attributes."""
    import pandas as pd

    table = lucas_habitat.read_survey(source, **options)
    problems = pd.DataFrame(table.attrs["problems"])
    problems = problems.astype(
        {"row": "Int64", "point_id": "str", "year": "Int64", "problem": "str"}
    )
    return {"table": table, "repairs": table.attrs["repairs"], "problems": problems}


def _read_sorted(folder: str, **options: Any) -> dict[str, Any]:
    """What people made of sorted photos, as tables, and how it is printed."""
    from ..sorting.reading import describe_changes

    read = lucas_habitat.read_sorted(folder, **options)
    return {
        "corrections": read.corrections,
        "changes": read.changes,
        "lines": describe_changes(read),
    }


def _pilot(progress: Callable[..., object], **options: Any) -> dict[str, Any]:
    """The comparison, with where things are, which R keeps as attributes."""
    table = lucas_habitat.pilot(progress=progress, **options)
    return {"table": table, "report": table.attrs["report"], "folder": table.attrs["folder"]}


def _class_styles(classes: list[str]) -> Any:
    """Colours and signs of classes."""
    from ..pictures.colours import class_styles

    return class_styles(classes)


@checked
def _point_picture(
    predictions: Any, point_id: str | int, year: int | None = None
) -> dict[str, Any]:
    """A point's photos, for R to draw."""
    from ..pictures.tables import point_table

    return _with_thumbnails(point_table(predictions, point_id, year))


def _photos_picture(predictions: Any, **options: Any) -> dict[str, Any]:
    """Photos right or wrong, for R to draw."""
    from ..pictures.tables import examples_table

    return _with_thumbnails(examples_table(predictions, **options))


def _with_thumbnails(rows: Any) -> dict[str, Any]:
    """Rows with their photos, each as its height and its bytes by row, or the reason for none."""
    from ..errors import PhotoError
    from ..images.decode import thumbnail

    photos: list[dict[str, Any]] = []
    for path in rows["path"]:
        try:
            pixels = thumbnail(path, 240)
            photos.append({"height": pixels.shape[0], "rgb": bytearray(pixels.tobytes())})
        except PhotoError as error:
            photos.append({"status": error.status})
    classes = rows["predicted"].cat.categories.tolist()
    return {"rows": rows, "classes": classes, "photos": photos}


def _map_picture(points: Any) -> dict[str, Any]:
    """Points and the coast around them, for R to draw."""
    from ..pictures.tables import coastline, extent, map_table

    table = map_table(points)
    west, east, south, north = extent(table)
    coast = coastline()
    line = coast.groupby("line")
    # Whole lines, so that none ends within the map.
    is_near = (
        (line["x"].transform("max") > west)
        & (line["x"].transform("min") < east)
        & (line["y"].transform("max") > south)
        & (line["y"].transform("min") < north)
    )
    return {"points": table, "coast": coast[is_near], "extent": [west, east, south, north]}


def _map_positions(points: Any, crs: str, bounds: list[float] | None = None) -> Any:
    """Where points are on a map that R reads."""
    from ..maps.raster import map_positions

    return map_positions(points, crs, bounds)


def _judge_map(**arguments: Any) -> Any:
    """Accuracy of a map that R has read."""
    from ..maps.accuracy import judge_map

    return judge_map(**arguments)


def _distance_picture(table: Any) -> Any:
    """Accuracy by distance, for R to draw."""
    from ..distances import distance_table

    return distance_table(table)


def _labelling_picture(table: Any) -> Any:
    """How much labelling by hand is saved, for R to draw."""
    from ..certainty import labelling_table

    return labelling_table(table)


def _transitions_picture(table: Any) -> dict[str, Any]:
    """Transitions, and those of them to draw, for R to draw."""
    from ..over_years import largest_transitions, transitions_table

    rows = transitions_table(table)
    return {"table": rows, "drawn": largest_transitions(rows)}


#: By the name that R calls, besides the public names.
FOR_R: dict[str, Callable[..., Any]] = {
    "restore_model": restore_model,
    "covariates": _covariates,
    "read_run": _read_run,
    "read_sorted": _read_sorted,
    "read_survey": _read_survey,
    "pilot": _pilot,
    "class_styles": _class_styles,
    "point_picture": _point_picture,
    "photos_picture": _photos_picture,
    "map_picture": _map_picture,
    "map_positions": _map_positions,
    "judge_map": _judge_map,
    "distance_picture": _distance_picture,
    "labelling_picture": _labelling_picture,
    "transitions_picture": _transitions_picture,
}

"""The command line: ``lucas-habitat list|split|train|classify|calibrate|vote|evaluate|...``."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._base.version import __version__

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["main"]

_PHOTOS = "a folder, a photo, a quoted glob, or a .csv or .parquet table with a column path"
_TABLE = "a .csv or .parquet table"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Default: those of the shell.

    Returns
    -------
    int
        0 done; 1 it could not be done, with the reason on standard error; 2 bad usage;
        130 interrupted.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    warnings.showwarning = _show_warning
    warnings.simplefilter("ignore", DeprecationWarning)
    warnings.simplefilter("ignore", FutureWarning)
    from .errors import LucasError, LucasMessage, LucasWarning

    warnings.simplefilter("always", LucasMessage)
    warnings.simplefilter("always", LucasWarning)
    try:
        code: int = options.run(options)
        return code
    except LucasError as error:
        print(f"lucas-habitat {options.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            f"\nlucas-habitat {options.command}: interrupted; what was finished is kept.",
            file=sys.stderr,
        )
        return 130
    except OSError as error:  # a full disk, a folder that may not be written
        print(f"lucas-habitat {options.command}: {error}", file=sys.stderr)
        return 1


def _show_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    kind = {"LucasMessage": "note", "LucasWarning": "warning"}.get(
        category.__name__, category.__name__
    )
    print(f"{kind}: {message}", file=sys.stderr)


class _Help(argparse.ArgumentDefaultsHelpFormatter):
    """Shows defaults, but not that nothing is the default."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default is None or action.default is False:
            return action.help
        return super()._get_help_string(action)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lucas-habitat",
        description="Habitats from ground photos.",
        epilog="Tables are read and written as CSV or Parquet, by their ending.",
    )
    parser.add_argument("--version", action="version", version=f"lucas-habitat {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(
        name: str, run: Callable[[argparse.Namespace], int], text: str
    ) -> argparse.ArgumentParser:
        sub = commands.add_parser(
            name,
            help=text,
            description=text[0].upper() + text[1:] + ".",
            formatter_class=_Help,
        )
        sub.set_defaults(run=run)
        return sub

    sub = command("survey", _survey, "read a table of the LUCAS survey and tidy it")
    sub.add_argument("table", metavar="TABLE", help="harmonised 2006-2018, or raw 2018 or 2022")
    sub.add_argument("--out", metavar="FILE", required=True, help=f"{_TABLE} to write")
    sub.add_argument("--years", type=int, nargs="+", help="campaigns to keep")
    sub.add_argument("--countries", nargs="+", help="two-letter codes to keep")
    sub.add_argument("--columns", nargs="+", default=[], help="further columns to keep")
    sub.add_argument("--problems", metavar="FILE", help=f"{_TABLE} of rows that cannot be right")

    sub = command("select", _select, "choose points of a tidied survey table")
    sub.add_argument("survey", metavar="FILE", help="what survey wrote")
    sub.add_argument("--out", metavar="FILE", required=True, help=f"{_TABLE} to write")
    sub.add_argument("--scheme", default="pilot", help="pilot, level1, level2 or a table")
    sub.add_argument("--countries", nargs="+", help="two-letter codes")
    sub.add_argument("--years", type=int, nargs="+", help="campaigns; else each point's latest")
    sub.add_argument("--classes", nargs="+", help="only these classes")
    sub.add_argument("--any-observation", action="store_true", help="not only those in the field")
    sub.add_argument("--max-distance", type=float, default=100, help="metres it was seen from")
    sub.add_argument("--directions", default="PNESW", help="photos that must have been taken")
    sub.add_argument("--min-cover", type=float, help="percent of the point its class must cover")
    sub.add_argument("--n-per-class", type=int, help="so many points of each class")
    sub.add_argument("--n", type=int, help="so many points, in proportion")
    _seed(sub)

    sub = command("download", _download, "fetch the photos of points from the survey's server")
    sub.add_argument("points", metavar="FILE", help="what select wrote")
    sub.add_argument(
        "--out", metavar="DIR", required=True, help="folder for photos; run again to go on"
    )
    sub.add_argument(
        "--table", metavar="FILE", help=f"{_TABLE} of the photos; default DIR/photos.csv"
    )
    sub.add_argument("--directions", default="PNESW", help="which photos, C for close-ups")
    sub.add_argument("--base", help="address of another server")
    sub.add_argument("--connections", type=int, default=4, help="at once")
    sub.add_argument("--per-second", type=float, default=5.0, help="requests at most")
    sub.add_argument("--again", action="store_true", help="ask again for what the server lacked")

    sub = command("list", _list, "list photos as a photo table")
    _photos(sub)
    sub.add_argument("--out", metavar="FILE", help=f"{_TABLE} to write")
    sub.add_argument("--no-labels", action="store_true", help="folder names are not classes")

    sub = command("locate", _locate, "find the points of geotagged photos by position and time")
    sub.add_argument("photos", metavar="PHOTOS", help=_PHOTOS)
    sub.add_argument("--out", metavar="FILE", required=True, help=f"{_TABLE} to write")
    sub.add_argument(
        "--radius", type=float, default=25.0, help="metres around a point's first photo"
    )
    sub.add_argument("--minutes", type=float, default=60.0, help="after a visit's first photo")
    sub.add_argument("--root", metavar="DIR", help="what paths in a table are relative to")
    sub.add_argument("--no-labels", action="store_true", help="folder names are not classes")

    sub = command("split", _split, "split photos into training and test photos, by point")
    _photos(sub)
    sub.add_argument("--out", metavar="FILE", required=True, help=f"{_TABLE} with the column split")
    sub.add_argument("--test-size", type=float, help="share of points to test on (0.2)")
    sub.add_argument("--n-per-class", type=int, help="balanced sample of so many photos a class")
    sub.add_argument("--regroup", action="store_true", help="split anew, whatever the folders say")
    _seed(sub)

    sub = command("train", _train, "train a model on labelled photos")
    _photos(sub)
    sub.add_argument("--out", metavar="DIR", required=True, help="folder for the model")
    sub.add_argument("--overwrite", action="store_true", help="replace a model that is there")
    sub.add_argument("--validation", metavar="PHOTOS", help="photos of other points")
    sub.add_argument(
        "--validation-split", type=float, default=0.0, help="share of points to hold out"
    )
    sub.add_argument(
        "--corrections",
        metavar="FILE.csv",
        help="review table that app wrote; give the split table",
    )
    _recipe(sub)
    sub.add_argument("--closeups", action="store_true", help="train on close-ups too")
    _seed(sub)
    _computing(sub)

    sub = command("classify", _classify, "predict class probabilities for photos")
    _photos(sub)
    sub.add_argument("--model", metavar="DIR", required=True, help="folder of a model")
    sub.add_argument("--out", metavar="FILE", required=True, help=f"{_TABLE} to write")
    sub.add_argument("--split", choices=("train", "test"), help="only these rows of a split table")
    sub.add_argument("--batch-size", type=int, help="photos at a time; else what suits the device")
    _computing(sub, precision=None)

    sub = command(
        "calibrate", _calibrate, "fit a temperature on labelled photos of held-out points"
    )
    _photos(sub)
    sub.add_argument("--model", metavar="DIR", required=True, help="folder of a model")
    sub.add_argument("--out", metavar="DIR", required=True, help="folder for the calibrated model")
    sub.add_argument("--overwrite", action="store_true", help="replace a model that is there")
    sub.add_argument("--device", default="auto", help="auto, cpu, torch, cuda, cuda:1, mps")

    sub = command("vote", _vote, "let the photos of a point vote")
    sub.add_argument("predictions", metavar="FILE", help="what classify wrote")
    sub.add_argument("--out", metavar="FILE", required=True, help=f"{_TABLE} to write")
    sub.add_argument(
        "--method", choices=("majority", "mean", "product"), default="majority", help=" "
    )
    sub.add_argument("--closeups", action="store_true", help="let close-ups vote too")

    sub = command("evaluate", _evaluate, "compare predicted with reference classes")
    sub.add_argument("predictions", metavar="FILE", help="what classify or vote wrote")
    sub.add_argument("--out", metavar="FILE.json", help="where to write the numbers")
    sub.add_argument("--reference", default="habitat", help="column of the true class")
    sub.add_argument("--n-boot", type=int, default=2000, help="bootstrap samples")
    sub.add_argument("--level", type=float, default=0.95, help="of the intervals")
    _seed(sub)

    sub = command("validate-map", _validate_map, "tell how accurate a land-cover map is")
    sub.add_argument("map", metavar="MAP.tif", help="a GeoTIFF, in any coordinate reference system")
    sub.add_argument("points", metavar="POINTS", help="what vote wrote")
    sub.add_argument(
        "--legend", metavar="FILE", required=True, help="table of the map's value and class"
    )
    sub.add_argument("--out", metavar="FILE.json", help="where to write the numbers")
    sub.add_argument("--reference", default="predicted", help="column of the points' class")
    sub.add_argument(
        "--confusion",
        metavar="FILE",
        help="what evaluate wrote on test points, or those points: takes the classifier's errors out",
    )
    sub.add_argument("--weights", help="column of design weights, 1 / inclusion probability")
    sub.add_argument(
        "--areas", metavar="FILE", help="table of value or class and area; else pixels are counted"
    )
    sub.add_argument("--n-boot", type=int, default=2000, help="bootstrap samples")
    sub.add_argument("--level", type=float, default=0.95, help="of the intervals")
    _seed(sub)

    sub = command("covariates", _covariates, "class proportions for species distribution models")
    sub.add_argument("points", metavar="FILE", help="what vote wrote")
    sub.add_argument(
        "--out",
        metavar="FILE",
        required=True,
        help=f"{_TABLE}; what stood behind each row goes beside it as *_support",
    )
    sub.add_argument("--sites", metavar="FILE", help="table of sites with x, y or lon, lat")
    sub.add_argument("--crs", help="of the sites, such as EPSG:25832")
    sub.add_argument("--id", help="column of the sites' ids")
    sub.add_argument("--year", help="2018, latest or '<=2018'")
    sub.add_argument("--k", type=int, help="nearest points a site takes")
    sub.add_argument("--radius", type=float, help="metres within which points count")
    sub.add_argument("--drop", default="last", help="last, none or a class")
    sub.add_argument("--transform", choices=("ilr",), help="log-ratios instead of shares")

    sub = command(
        "transitions", _transitions, "tell what changed between campaigns, and what is doubt"
    )
    sub.add_argument(
        "points", metavar="FILE", help="what vote wrote, of points seen in several years"
    )
    sub.add_argument("--out", metavar="FILE", required=True, help=f"{_TABLE} to write")
    sub.add_argument("--changes", metavar="FILE", help=f"{_TABLE} of what each point did")
    sub.add_argument("--years", type=int, nargs="+", help="only these campaigns")
    shares = sub.add_mutually_exclusive_group()
    shares.add_argument(
        "--model", metavar="DIR", help="that classified; tells the class shares it was trained on"
    )
    shares.add_argument(
        "--class-shares", metavar="FILE", help="table of them: class, share; else equal shares"
    )
    sub.add_argument(
        "--labelled", metavar="FILE", help="points with habitat that tell how sure points are"
    )
    sub.add_argument("--n-boot", type=int, default=2000, help="bootstrap samples")
    sub.add_argument("--level", type=float, default=0.95, help="of the intervals")
    sub.add_argument("--plot", metavar="FILE", help="picture to write, .png or .svg")
    _seed(sub)

    sub = command("cache", _cache, "tell what is kept on disk, or delete it")
    sub.add_argument(
        "action", choices=("info", "clear"), help="LUCAS_HABITAT_CACHE_GB limits its size"
    )

    sub = command("report", _report, "write one page on a finished run")
    sub.add_argument(
        "source",
        metavar="RUN",
        help="folder with predictions.csv, points.csv, model/; or predictions",
    )
    sub.add_argument("--out", metavar="FILE.html", default="report.html", help="the page")
    sub.add_argument("--model", metavar="DIR", help="folder of the model")
    sub.add_argument("--points", metavar="FILE", help="what vote wrote; else photos vote anew")
    sub.add_argument("--title", help="of the page")

    sub = command("app", _app, "try a model in the browser, and correct it")
    sub.add_argument("--model", metavar="DIR", help="folder of a model; else a demo model")
    sub.add_argument("--corrections", metavar="FILE.csv", default="corrections.csv", help="to keep")
    sub.add_argument("--photos", metavar="PHOTOS", help="training photos, to show similar ones")
    sub.add_argument("--port", type=int, help="of 127.0.0.1; else the first free one from 7860")
    sub.add_argument("--language", choices=("en", "da"), default="en", help="at first")
    sub.add_argument("--no-browser", action="store_true", help="only print the address")
    # R's: the address goes in there, and the app ends when the file is gone.
    sub.add_argument("--session", help=argparse.SUPPRESS)

    sub = command("pilot", _pilot, "the whole way with the survey's photos of a country, in one go")
    sub.add_argument(
        "--out", metavar="DIR", required=True, help="folder for everything; run again to go on"
    )
    sub.add_argument("--country", nargs="+", help="two-letter codes (DK)")
    sub.add_argument(
        "--table",
        metavar="TABLE",
        nargs="+",
        help="the survey's tables, files or https addresses; else the harmonised one is fetched",
    )
    sub.add_argument("--years", type=int, nargs="+", help="campaigns; else each point's latest")
    sub.add_argument("--scheme", default="pilot", help="pilot, level1, level2 or a table")
    sub.add_argument("--classes", nargs="+", help="only these classes")
    sub.add_argument(
        "--sample",
        default="small",
        help="small (the pilot's 1,093 photos, balanced), large (its 15,676 and 4,297), all, or a "
        "number of photos",
    )
    sub.add_argument(
        "--balanced",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="as many points of each class",
    )
    sub.add_argument("--directions", default="PNESW", help="photos of a point")
    sub.add_argument("--test-size", type=float, help="share of points to test on (0.2)")
    sub.add_argument(
        "--validation-split", type=float, default=0.2, help="share of the others to calibrate on"
    )
    _recipe(sub)
    sub.add_argument("--model", metavar="DIR", help="test this one on all photos, train none")
    sub.add_argument("--base", help="address of another server of photos")
    sub.add_argument("--per-second", type=float, default=5.0, help="requests at most")
    sub.add_argument("--overwrite", action="store_true", help="do a finished run again")
    _seed(sub)
    _computing(sub)

    sub = command("demo", _demo, "run the whole way on photos the program draws itself")
    sub.add_argument("--out", metavar="DIR", default="demo-run", help="folder for everything")
    sub.add_argument("--photos", metavar="FOLDER", help="real labelled photos instead")
    sub.add_argument("--arch", default="efficientnet_lite0", help="see train")
    _seed(sub)
    return parser


def _photos(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("photos", metavar="PHOTOS", help=_PHOTOS)
    sub.add_argument("--root", metavar="DIR", help="what paths in a table are relative to")
    sub.add_argument(
        "--scheme",
        metavar="SCHEME",
        help="give photos the class of their lc1 code: pilot, level1, level2 or a "
        "table with the columns code and class",
    )


def _recipe(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--recipe", choices=("pilot", "finetune"), default="pilot", help="defaults of the next four"
    )
    sub.add_argument("--dropout", type=float)
    sub.add_argument("--epochs", type=int)
    sub.add_argument("--batch-size", type=int)
    sub.add_argument("--learning-rate", type=float)
    sub.add_argument(
        "--arch", default="xception", help="xception, efficientnet_lite0 or a name of timm's"
    )
    sub.add_argument(
        "--weights", default="imagenet", help="imagenet, none, or a .safetensors or .pth file"
    )
    sub.add_argument("--scaling", choices=("unit", "symmetric", "own"), help="of RGB values")
    sub.add_argument("--target-size", type=int, default=224, help="pixels")
    sub.add_argument("--resize", choices=("antialias", "nearest"), default="antialias", help=" ")
    sub.add_argument("--decoder", choices=("simplejpeg", "pillow"), default="simplejpeg", help=" ")
    sub.add_argument(
        "--credit",
        choices=("mask", "crop", "keep"),
        default="mask",
        help="the burnt-in credit line",
    )


def _seed(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--seed", type=int, default=1, help="same seed, same result")


def _computing(sub: argparse.ArgumentParser, precision: str | None = "auto") -> None:
    sub.add_argument("--device", default="auto", help="auto, cpu, torch, cuda, cuda:1, mps")
    sub.add_argument(
        "--precision",
        choices=("auto", "float32", "bfloat16"),
        default=precision,
        help="the model's own where nothing is said" if precision is None else " ",
    )
    sub.add_argument("--no-cache", action="store_true", help="do not keep features on disk")


def _read_photos(
    options: argparse.Namespace, labels: bool = True, source: str | None = None
) -> pd.DataFrame:
    from .photos import list_photos
    from .survey.nomenclature import assign_habitat

    photos = list_photos(source or options.photos, root=options.root, labels=labels)
    return assign_habitat(photos, options.scheme) if options.scheme else photos


def _write(table: pd.DataFrame, out: str) -> None:
    from ._base.tables import write_table

    path = write_table(table, out)
    print(f"{len(table)} rows written to {path}")


def _check_out(out: str | None) -> None:
    """Refuse a bad ending before the work is done, not after."""
    from ._base.tables import TABLE_ENDINGS
    from .errors import InputError

    if out is not None and not out.lower().endswith(TABLE_ENDINGS):
        raise InputError(f"--out {out} must end in .csv or .parquet.")


def _survey(options: argparse.Namespace) -> int:
    import pandas as pd

    from .survey.tables import read_survey

    _check_out(options.out)
    _check_out(options.problems)
    table = read_survey(
        options.table, years=options.years, countries=options.countries, columns=options.columns
    )
    _write(table, options.out)
    if options.problems:
        _write(pd.DataFrame(table.attrs["problems"]), options.problems)
    return 0


def _select(options: argparse.Namespace) -> int:
    from ._base.tables import read_table
    from .survey.selection import select_points

    _check_out(options.out)
    points = select_points(
        read_table(options.survey),
        scheme=options.scheme,
        countries=options.countries,
        years=options.years,
        classes=options.classes,
        field_only=not options.any_observation,
        max_distance=options.max_distance,
        directions=options.directions,
        min_cover=options.min_cover,
        n_per_class=options.n_per_class,
        n=options.n,
        seed=options.seed,
    )
    for name, n in points["habitat"].value_counts().sort_index().items():
        print(f"  {n} {name}")
    _write(points, options.out)
    return 0


def _download(options: argparse.Namespace) -> int:
    from .survey.credit import credit
    from .survey.photos import download_photos
    from .survey.server import BASE

    table = options.table or str(Path(options.out) / "photos.csv")
    _check_out(table)
    photos = download_photos(
        options.points,
        options.out,
        directions=options.directions,
        base=options.base or BASE,
        connections=options.connections,
        per_second=options.per_second,
        again=options.again,
    )
    for status, n in photos["status"].value_counts().items():
        print(f"  {n} {status}")
    there = photos["status"] == "ok"
    # Only photos that are there, so that the table can be trained on as it is.
    _write(photos[there].drop(columns=["status", "error"]), table)
    print(credit(photos["year"]))
    return 0 if there.any() else 1


def _list(options: argparse.Namespace) -> int:
    from .photos import describe_photos

    _check_out(options.out)
    photos = _read_photos(options, labels=not options.no_labels)
    print("\n".join(describe_photos(photos)))
    if options.out:
        _write(photos, options.out)
    return 0


def _locate(options: argparse.Namespace) -> int:
    from .geotags import locate_photos

    _check_out(options.out)
    photos = locate_photos(
        options.photos,
        radius=options.radius,
        minutes=options.minutes,
        root=options.root,
        labels=not options.no_labels,
    )
    for status, n in photos["status"].value_counts().items():
        print(f"  {n} {status}")
    _write(photos, options.out)
    return 0 if photos["lat"].notna().any() else 1


def _split(options: argparse.Namespace) -> int:
    import pandas as pd

    from .splits import split_photos

    _check_out(options.out)
    train, test = split_photos(
        _read_photos(options),
        test_size=options.test_size,
        n_per_class=options.n_per_class,
        regroup=options.regroup,
        seed=options.seed,
    )
    print(f"{len(train)} training photos, {len(test)} test photos")
    _write(pd.concat([train, test], ignore_index=True), options.out)
    return 0


def _train(options: argparse.Namespace) -> int:
    from .saved_models import check_model_folder, save_model
    from .training import train

    check_model_folder(options.out, options.overwrite)
    model = train(
        _read_photos(options),
        validation=_read_photos(options, source=options.validation) if options.validation else None,
        validation_split=options.validation_split,
        corrections=options.corrections,
        **_training(options),
        closeups=options.closeups,
        seed=options.seed,
        device=options.device,
    )
    print(model.history.to_string(index=False, float_format=lambda v: f"{v:.4f}"))
    if model.training["corrections"]:
        counts = model.training["corrections"].items()
        print("corrections: " + ", ".join(f"{n} {k.replace('_', ' ')}" for k, n in counts))
    print(model)
    print(f"model written to {save_model(model, options.out, overwrite=options.overwrite)}")
    return 0


def _training(options: argparse.Namespace) -> dict[str, Any]:
    """Arguments of train() that `_recipe` and `_computing` add."""
    names = [
        "recipe",
        "arch",
        "dropout",
        "epochs",
        "batch_size",
        "learning_rate",
        "target_size",
        "scaling",
        "resize",
        "decoder",
        "credit",
        "precision",
    ]
    return {
        **{name: getattr(options, name) for name in names},
        "weights": None if options.weights == "none" else options.weights,
        "cache": not options.no_cache,
    }


def _classify(options: argparse.Namespace) -> int:
    from .classifier import classify
    from .errors import InputError

    _check_out(options.out)
    photos = _read_photos(options)
    if options.split:
        photos = photos[photos["split"] == options.split].reset_index(drop=True)
        if photos.empty:
            raise InputError(f"No photo of {options.photos} has the split {options.split!r}.")
    found = classify(
        photos,
        options.model,
        batch_size=options.batch_size,
        device=options.device,
        precision=options.precision,
        cache=not options.no_cache,
    )
    _write(found, options.out)
    read = int((found["status"] == "ok").sum())
    print(
        f"{read} photos classified ({found.attrs['engine']}, {found.attrs['precision']}), "
        f"{len(found) - read} refused"
    )
    for status, n in found.loc[found["status"] != "ok", "status"].value_counts().items():
        print(f"  {n} {status}")
    return 0 if read else 1


def _calibrate(options: argparse.Namespace) -> int:
    from .calibration import calibrate
    from .saved_models import check_model_folder, save_model

    check_model_folder(options.out, options.overwrite)
    model = calibrate(options.model, _read_photos(options), device=options.device)
    print(model)
    print(f"model written to {save_model(model, options.out, overwrite=options.overwrite)}")
    return 0


def _vote(options: argparse.Namespace) -> int:
    from .voting import vote

    _check_out(options.out)
    points = vote(options.predictions, options.method, closeups=options.closeups)
    _write(points, options.out)
    return 0


def _evaluate(options: argparse.Namespace) -> int:
    from ._base.files import write_json
    from .evaluation import evaluate

    found = evaluate(
        options.predictions,
        reference=options.reference,
        n_boot=options.n_boot,
        level=options.level,
        seed=options.seed,
    )
    print(found)
    if options.out:
        path = write_json(found.as_dict(), options.out)
        print(f"written to {path}")
    return 0


def _validate_map(options: argparse.Namespace) -> int:
    from ._base.files import write_json
    from .maps.accuracy import validate_map

    found = validate_map(
        options.map,
        options.points,
        options.legend,
        reference=options.reference,
        confusion=options.confusion,
        weights=options.weights,
        areas=options.areas,
        n_boot=options.n_boot,
        level=options.level,
        seed=options.seed,
    )
    print(found)
    if options.out:
        print(f"written to {write_json(found.as_dict(), options.out)}")
    return 0


def _covariates(options: argparse.Namespace) -> int:
    from .proportions import covariates, support

    _check_out(options.out)
    year = int(options.year) if options.year and options.year.isdigit() else options.year
    found = covariates(
        options.points,
        options.sites,
        crs=options.crs,
        id=options.id,
        year=year,
        k=options.k,
        radius=options.radius,
        drop=options.drop,
        transform=options.transform,
    )
    _write(found, options.out)
    out = Path(options.out)
    _write(support(found), str(out.with_name(f"{out.stem}_support{out.suffix}")))
    return 0


def _transitions(options: argparse.Namespace) -> int:
    import pandas as pd

    from ._base.tables import read_table, require_columns
    from .over_years import changes, transitions
    from .pictures.canvas import check_size
    from .pictures.transitions import plot_transitions

    _check_out(options.out)
    _check_out(options.changes)
    check_size("double", options.plot)
    shares = options.model
    if options.class_shares:
        table = read_table(options.class_shares)
        require_columns(table, ["class", "share"], "--class-shares", "Give each class one row.")
        shares = dict(zip(table["class"], table["share"], strict=True))
    given = {"years": options.years, "class_shares": shares, "labelled": options.labelled}
    found = transitions(
        options.points, **given, n_boot=options.n_boot, level=options.level, seed=options.seed
    )
    for t in found.drop_duplicates(["year_from", "year_to"]).to_dict("records"):
        percent = {k: f"{100 * v:.1f}" for k, v in t.items() if str(k).startswith("changed")}
        interval = f" ({percent['changed_low']} to {percent['changed_high']})"
        estimate = f"{percent['changed']} %{interval if options.n_boot else ''} changed"
        print(
            f"  {t['year_from']} to {t['year_to']}: "
            f"{'unknown' if pd.isna(t['changed']) else estimate} of {t['n_points']} points; "
            f"by counting {percent['changed_predicted']} %"
        )
    _write(found, options.out)
    if options.changes:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # said before
            _write(changes(options.points, **given), options.changes)
    if options.plot:
        plot_transitions(found, out=options.plot)
        print(f"picture written to {options.plot}")
    return 0


def _cache(options: argparse.Namespace) -> int:
    from .cache import cache_info, clear_cache

    if options.action == "clear":
        print(f"{clear_cache():.1f} MB deleted")
        return 0
    table = cache_info()
    if len(table):
        print(table.drop(columns="folder").to_string(index=False, float_format="%.1f"))
    whole = table.attrs
    print(f"{whole['megabytes']:.1f} MB of at most {whole['limit']:.0f} MB in {whole['folder']}")
    return 0


def _report(options: argparse.Namespace) -> int:
    from .pages.run_page import report

    page = report(
        options.source, options.out, model=options.model, points=options.points, title=options.title
    )
    print(f"written to {page}, its numbers to {page.with_name(f'{page.stem}_data')}")
    return 0


def _app(options: argparse.Namespace) -> int:
    from .app.server import serve

    serve(
        options.model,
        options.port,
        options.corrections,
        options.photos,
        options.language,
        not options.no_browser,
        options.session,
    )
    return 0


def _pilot(options: argparse.Namespace) -> int:
    from .studies.pilot import pilot
    from .survey.server import BASE

    training = _training(options)
    sample = int(options.sample) if options.sample.isdigit() else options.sample
    found = pilot(
        options.out,
        country=options.country or "DK",
        table=options.table,
        years=options.years,
        scheme=options.scheme,
        classes=options.classes,
        sample=sample,
        balanced=options.balanced,
        directions=options.directions,
        test_size=options.test_size,
        validation_split=options.validation_split,
        arch=training.pop("arch"),
        recipe=training.pop("recipe"),
        training=training,
        model=options.model,
        base=options.base or BASE,
        per_second=options.per_second,
        seed=options.seed,
        device=options.device,
        overwrite=options.overwrite,
    )
    for row in found.to_dict("records"):
        said = f"{row['unit']:<7}"
        for name in ("overall_accuracy", "kappa"):
            low, high = row[f"{name}_low"], row[f"{name}_high"]
            span = f" ({low:.3f} to {high:.3f})" if low == low else ""
            said += f"  {name.replace('_', ' ')} {row[name]:.3f}{span:<17}"
        print(said.rstrip() + (f"  n {row['n']}" if row["unit"] != "pilot" else ""))
    print(f"Look at all of it in {found.attrs['report']}")
    return 0


def _demo(options: argparse.Namespace) -> int:
    from .studies.demo import run_demo

    print(run_demo(options.out, photos=options.photos, arch=options.arch, seed=options.seed))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What is made of predictions: votes, accuracy, shares, covariates, transitions."""

from __future__ import annotations

import warnings
from argparse import ArgumentParser, Namespace
from pathlib import Path

import lucas_habitat as lh

from .._base.choices import TRANSFORMS, VOTE_METHODS
from .options import TABLE, Command, add_bootstrap, add_levels, add_seed, given, number_or_text
from .tables import check_out, check_out_json, print_lines, write, write_numbers

__all__ = ["COMMANDS"]


def _vote_options(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("predictions", metavar="FILE", help="what classify wrote")
    add("--out", metavar="FILE", required=True, help=f"{TABLE} to write")
    add(
        "--method",
        choices=VOTE_METHODS,
        help="how photos come to one class; learned: as 50 or more points taught that calibrated the model",
    )
    add("--closeups", action="store_true", help="let close-ups vote too")


def _vote(options: Namespace) -> int:
    check_out(options.out)
    write(lh.vote(options.predictions, **given(options, lh.vote)), options.out)
    return 0


def _evaluate_options(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("predictions", metavar="FILE", help="what classify or vote wrote")
    add("--out", metavar="FILE.json", default=None, help="where to write the numbers")
    add("--reference", help="column of the true class")
    add("--weights", help="column of design weights, such as select's weight")
    add(
        "--class-shares",
        metavar="FILE",
        help="shares of the land: a table with the columns class and share",
    )
    add_levels(parser)
    add_bootstrap(parser)
    add_seed(parser)


def _evaluate(options: Namespace) -> int:
    check_out_json(options.out)
    _tell(lh.evaluate(options.predictions, **given(options, lh.evaluate)), options.out)
    return 0


def _levels_options(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "source",
        metavar="SOURCE",
        help="a model's folder, predictions of LC1 codes, or a table with class, level1, ...",
    )
    add("--out", metavar="FILE", default=None, help=f"{TABLE} to write")


def _levels(options: Namespace) -> int:
    check_out(options.out)
    levels = lh.class_levels(options.source)
    print(levels.to_string(index=False))
    if options.out:
        write(levels, options.out)
    return 0


def _at_level_options(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("predictions", metavar="FILE", help="what vote or classify wrote")
    add("--level", metavar="LEVEL", required=True, help="level1 (the coarsest), level2, ...")
    add("--out", metavar="FILE", required=True, help=f"{TABLE} to write")
    add_levels(parser)


def _at_level(options: Namespace) -> int:
    from .._base.tables import count_lines

    check_out(options.out)
    table = lh.at_level(options.predictions, options.level, **given(options, lh.at_level))
    print_lines(count_lines(table["predicted"].value_counts()))
    write(table, options.out)
    return 0


def _compare_options(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("a", metavar="A", help="what classify or vote wrote with one model")
    add("b", metavar="B", help="the same photos or points with the other")
    add("--out", metavar="FILE.json", default=None, help="where to write the numbers")
    add("--reference", help="column of the true class")
    add_bootstrap(parser)
    add_seed(parser)


def _compare(options: Namespace) -> int:
    check_out_json(options.out)
    _tell(lh.compare(options.a, options.b, **given(options, lh.compare)), options.out)
    return 0


def _error_by_distance_options(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("predictions", metavar="FILE", help="what cross-validate, classify or vote wrote")
    add("--out", metavar="FILE", required=True, help=f"{TABLE} to write")
    add(
        "--training",
        metavar="PHOTOS",
        help="the photos trained on; not needed after cross-validate",
    )
    add("--breaks", type=float, nargs="+", help="kilometres at which bins begin")
    add("--level", type=float, help="of the intervals")
    add("--plot", metavar="FILE", default=None, help="picture to write, .png or .svg")


def _error_by_distance(options: Namespace) -> int:
    from ..pictures.canvas import check_size

    check_out(options.out)
    check_size("single", options.plot)
    table = lh.error_by_distance(options.predictions, **given(options, lh.error_by_distance))
    write(table, options.out)
    if options.plot:
        lh.plot_distance(table, out=options.plot)
        print(f"picture written to {options.plot}")
    return 0


def _validate_map_options(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("raster", metavar="MAP.tif", help="a GeoTIFF, in any coordinate reference system")
    add("points", metavar="POINTS", help="what vote wrote")
    add("--legend", metavar="FILE", required=True, help="table of the map's value and class")
    add("--out", metavar="FILE.json", default=None, help="where to write the numbers")
    add("--reference", help="column of the points' class")
    add(
        "--confusion",
        metavar="FILE",
        help="what evaluate wrote on test points, or those points: takes the classifier's errors out",
    )
    add("--labelled", metavar="FILE", help="points on the map with habitat; else those of POINTS")
    add("--weights", help="column of design weights, 1 / inclusion probability")
    add("--areas", metavar="FILE", help="table of value or class and area; else pixels are counted")
    add_bootstrap(parser)
    add_seed(parser)


def _validate_map(options: Namespace) -> int:
    check_out_json(options.out)
    accuracy = lh.validate_map(
        options.raster, options.points, options.legend, **given(options, lh.validate_map)
    )
    _tell(accuracy, options.out)
    return 0


def _tell(result: lh.Evaluation | lh.Comparison | lh.MapAccuracy, out: str | None) -> None:
    """Print a result, and write its numbers where they are asked for."""
    print(result)
    if out:
        write_numbers(result.as_dict(), out)


def _covariates_options(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("points", metavar="FILE", help="what vote wrote")
    add(
        "--out",
        metavar="FILE",
        required=True,
        help=f"{TABLE}; what stood behind each row goes beside it as *_support",
    )
    add("--sites", metavar="FILE", help="table of sites with x, y or lon, lat")
    add("--crs", help="of the sites, such as EPSG:25832")
    add("--id", help="column of the sites' ids")
    add("--year", type=number_or_text, help="2018, latest or '<=2018'")
    add("--k", type=int, help="nearest points a site takes")
    add("--radius", type=float, help="metres within which points count")
    add(
        "--max-distance",
        type=float,
        metavar="METRES",
        help="from its nearest point beyond which a site has no value; else the points' spacing tells",
    )
    add("--drop", help="last, none or a class")
    add("--transform", choices=TRANSFORMS, help="log-ratios instead of shares")


def _covariates(options: Namespace) -> int:
    check_out(options.out)
    covariates = lh.covariates(options.points, **given(options, lh.covariates))
    write(covariates, options.out)
    out = Path(options.out)
    write(lh.support(covariates), str(out.with_name(f"{out.stem}_support{out.suffix}")))
    return 0


def _transitions_options(parser: ArgumentParser) -> None:
    """Add the options of `transitions`."""
    add = parser.add_argument
    add("points", metavar="FILE", help="what vote wrote, of points seen in several years")
    add("--out", metavar="FILE", required=True, help=f"{TABLE} to write")
    add("--changes", metavar="FILE", default=None, help=f"{TABLE} of what each point did")
    add("--years", type=int, nargs="+", help="only these campaigns")
    shares = parser.add_mutually_exclusive_group()
    shares.add_argument(
        "--model",
        metavar="DIR",
        default=None,
        help="that classified; tells the class shares it was trained on",
    )
    shares.add_argument(
        "--class-shares", metavar="FILE", help="table of them: class, share; else equal shares"
    )
    add("--labelled", metavar="FILE", help="points with habitat that tell how sure points are")
    add_bootstrap(parser)
    add("--plot", metavar="FILE", default=None, help="picture to write, .png or .svg")
    add_seed(parser)


def _transitions(options: Namespace) -> int:
    """Print and write transitions and changes; give the exit code."""
    from ..errors import LucasMessage, LucasWarning
    from ..over_years import describe_transitions
    from ..pictures.canvas import check_size

    check_out(options.out)
    check_out(options.changes)
    check_size("double", options.plot)
    if "class_shares" in options:
        options.class_shares = _class_shares(options.class_shares)
    elif options.model:
        options.class_shares = options.model
    transitions = lh.transitions(options.points, **given(options, lh.transitions))
    print_lines(f"  {line}" for line in describe_transitions(transitions))
    write(transitions, options.out)
    if options.changes:
        with warnings.catch_warnings():
            # What transitions() told of the same points.
            warnings.simplefilter("ignore", LucasMessage)
            warnings.simplefilter("ignore", LucasWarning)
            changes = lh.changes(options.points, **given(options, lh.changes))
        write(changes, options.changes)
    if options.plot:
        lh.plot_transitions(transitions, out=options.plot)
        print(f"picture written to {options.plot}")
    return 0


def _shares_options(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("points", metavar="FILE", help="what vote wrote, of points drawn from a region")
    add("--out", metavar="FILE", required=True, help=f"{TABLE} to write")
    add(
        "--labelled",
        metavar="FILE",
        help="classified points with a label; else those of FILE that have one",
    )
    add("--reference", help="column of the labels")
    add("--weights", help="column of design weights, 1 / inclusion probability")
    _class_shares_options(parser)
    add("--level", type=float, help="of the intervals")
    add(
        "--adjusted",
        metavar="FILE",
        default=None,
        help=f"{TABLE} of the points, their probabilities put right for the shares",
    )


def _class_shares_options(parser: ArgumentParser) -> None:
    """What the probabilities took for granted."""
    shares = parser.add_mutually_exclusive_group()
    shares.add_argument(
        "--model",
        metavar="DIR",
        default=None,
        help="that classified; tells the class shares at which its probabilities are right",
    )
    shares.add_argument("--class-shares", metavar="FILE", help="table of them: class, share")


def _shares(options: Namespace) -> int:
    check_out(options.out)
    check_out(options.adjusted)
    if "class_shares" in options:
        options.class_shares = _class_shares(options.class_shares)
    elif options.model:
        options.class_shares = options.model
    shares = lh.estimate_shares(options.points, **given(options, lh.estimate_shares))
    columns = ["class", "share", "se", "low", "high", "share_predicted"]
    print(shares[columns].to_string(index=False, float_format="{:.3f}".format, na_rep="unknown"))
    write(shares, options.out)
    if options.adjusted:
        adjusted = lh.adjust_shares(
            options.points, shares, class_shares=getattr(options, "class_shares", None)
        )
        write(adjusted, options.adjusted)
    return 0


def _class_shares(file: str) -> dict[str, float]:
    from .._base.tables import read_table, require_columns

    table = read_table(file)
    require_columns(table, ["class", "share"], "--class-shares", "Give each class one row.")
    return dict(zip(table["class"], table["share"], strict=True))


COMMANDS = (
    Command("vote", "let the photos of a point vote", _vote_options, _vote, ("vote",)),
    Command(
        "evaluate",
        "compare predicted with reference classes",
        _evaluate_options,
        _evaluate,
        ("evaluate",),
    ),
    Command(
        "levels",
        "tell what stands above each class",
        _levels_options,
        _levels,
        ("class_levels",),
    ),
    Command(
        "at-level",
        "sum predictions up to a coarser level",
        _at_level_options,
        _at_level,
        ("at_level",),
    ),
    Command(
        "compare",
        "compare two models on the same points",
        _compare_options,
        _compare,
        ("compare",),
    ),
    Command(
        "error-by-distance",
        "tell accuracy by the distance to what was trained on",
        _error_by_distance_options,
        _error_by_distance,
        ("error_by_distance",),
    ),
    Command(
        "validate-map",
        "tell how accurate a land-cover map is",
        _validate_map_options,
        _validate_map,
        ("validate_map",),
    ),
    Command(
        "shares",
        "estimate how much of a region is of each class",
        _shares_options,
        _shares,
        ("estimate_shares", "adjust_shares"),
    ),
    Command(
        "covariates",
        "class proportions for species distribution models",
        _covariates_options,
        _covariates,
        ("covariates",),
    ),
    Command(
        "transitions",
        "tell what changed between campaigns, and what is doubt",
        _transitions_options,
        _transitions,
        ("transitions", "changes"),
    ),
)

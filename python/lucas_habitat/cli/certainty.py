"""What is left to a person: ``sets``, ``abstain``, ``predict-level``, ``review``, ``doubted-labels``."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

import lucas_habitat as lh

from .options import TABLE, Command, add_levels, given
from .tables import check_out, print_lines, write

__all__ = ["COMMANDS"]


def _add_points(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("points", metavar="FILE", help="what vote wrote")
    add(
        "--labelled",
        metavar="FILE",
        required=True,
        help="such points with their true class, that the model was not trained on",
    )
    add("--out", metavar="FILE", required=True, help=f"{TABLE} to write")


def _sets_options(parser: ArgumentParser) -> None:
    _add_points(parser)
    add = parser.add_argument
    add("--coverage", type=float, help="share of points whose set holds the true class")
    add("--per-class", action="store_true", help="for the points of each class")


def _sets(options: Namespace) -> int:
    from ..certainty import describe_sets

    check_out(options.out)
    table = lh.prediction_sets(
        options.points, options.labelled, **given(options, lh.prediction_sets)
    )
    print_lines(describe_sets(table))
    write(table, options.out)
    return 0


def _abstain_options(parser: ArgumentParser) -> None:
    _add_points(parser)
    add = parser.add_argument
    add("--accuracy", type=float, help="share of sure points whose class is right")
    add("--per-class", action="store_true", help="a threshold for each class")
    add("--level", type=float, help="probability that the accuracy is reached")
    add(
        "--saved",
        metavar="FILE",
        default=None,
        help=f"{TABLE} of how much labelling by hand is saved",
    )
    add("--plot", metavar="FILE", default=None, help="picture of that table, .png or .svg")
    add("--accuracies", type=float, nargs="+", help="of that table (else 0.9 0.95 0.99)")


def _abstain(options: Namespace) -> int:
    from ..certainty import describe_sure
    from ..pictures.canvas import check_size

    check_out(options.out)
    check_out(options.saved)
    check_size("single", options.plot)
    table = lh.abstain(options.points, options.labelled, **given(options, lh.abstain))
    print_lines(describe_sure(table))
    write(table, options.out)
    if options.saved or options.plot:
        saved = lh.labelling_saved(
            options.points, options.labelled, **given(options, lh.labelling_saved)
        )
        if options.saved:
            write(saved, options.saved)
        if options.plot:
            lh.plot_labelling(saved, out=options.plot)
            print(f"picture written to {options.plot}")
    return 0


def _predict_level_options(parser: ArgumentParser) -> None:
    _add_points(parser)
    add = parser.add_argument
    add("--accuracy", type=float, help="share of right answers at each level")
    add_levels(parser)
    add("--level", type=float, help="probability that the accuracy is reached")


def _predict_level(options: Namespace) -> int:
    from ..certainty import describe_answers

    check_out(options.out)
    table = lh.predict_level(options.points, options.labelled, **given(options, lh.predict_level))
    print_lines(describe_answers(table))
    write(table, options.out)
    return 0


def _review_options(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("predictions", metavar="FILE", help="what classify, vote or sets wrote")
    add("--out", metavar="FILE", required=True, help=f"{TABLE} to write")
    add("--n", type=int, help="the longest that the list may be")


def _review(options: Namespace) -> int:
    check_out(options.out)
    write(lh.review_list(options.predictions, **given(options, lh.review_list)), options.out)
    return 0


def _doubted_labels_options(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("predictions", metavar="FILE", help="what cross-validate wrote, or vote made of it")
    add("--out", metavar="FILE", required=True, help=f"{TABLE} to write; train takes the .csv")
    add("--n", type=int, help="how many rows, doubted or not (all doubted ones)")


def _doubted_labels(options: Namespace) -> int:
    check_out(options.out)
    table = lh.doubted_labels(options.predictions, **given(options, lh.doubted_labels))
    write(table, options.out)
    return 0


COMMANDS = (
    Command(
        "sets",
        "give each point the classes that hold its true one as often as asked",
        _sets_options,
        _sets,
        ("prediction_sets",),
    ),
    Command(
        "abstain",
        "mark the points whose class is right as often as asked",
        _abstain_options,
        _abstain,
        ("abstain", "labelling_saved"),
    ),
    Command(
        "predict-level",
        "answer each point at the finest level that it is sure enough for",
        _predict_level_options,
        _predict_level,
        ("predict_level",),
    ),
    Command(
        "review",
        "list the photos or points that a person should look at first",
        _review_options,
        _review,
        ("review_list",),
    ),
    Command(
        "doubted-labels",
        "list the labels that speak against what all other points teach",
        _doubted_labels_options,
        _doubted_labels,
        ("doubted_labels",),
    ),
)

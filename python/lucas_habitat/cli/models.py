"""Models, what they predict and how they compare: ``train``, ``classify``, ``cross-validate`` and others."""

from __future__ import annotations

from argparse import ArgumentParser, BooleanOptionalAction, Namespace
from functools import partial

import lucas_habitat as lh

from .._base.choices import ENGINES, RECIPES
from .options import (
    MODEL,
    TABLE,
    Command,
    add_apart,
    add_bootstrap,
    add_cache,
    add_computing,
    add_device,
    add_overwrite,
    add_photos,
    add_seed,
    add_training,
    given,
    words_of,
)
from .tables import check_out, print_lines, read_photos, write

__all__ = ["COMMANDS"]


def _train_options(parser: ArgumentParser) -> None:
    add_photos(parser)
    add = parser.add_argument
    add("--out", metavar="DIR", required=True, help="folder for the model")
    add_overwrite(parser)
    add("--validation", metavar="PHOTOS", help="photos of other points")
    add("--validation-split", type=float, help="share of points to hold out")
    add(
        "--corrections",
        metavar="FILE.csv",
        help="review table that app wrote; give the split table",
    )
    add_training(parser)
    add("--closeups", action="store_true", help="train on close-ups too")
    add_seed(parser)
    add(
        "--engine",
        choices=ENGINES,
        help="what trains a whole network: this machine, or a Ray cluster",
    )
    add("--address", help="of the Ray cluster, such as auto; else one is started on this machine")
    add(
        "--checkpoints",
        metavar="DIR",
        help="folder that all machines see; a training goes on from it",
    )
    add_computing(parser)


def _train(options: Namespace) -> int:
    from ..saved_models import check_model_folder
    from ..training import describe_training

    check_model_folder(options.out, "overwrite" in options)
    photos = read_photos(options)
    if "validation" in options:
        options.validation = read_photos(options, options.validation)
    model = lh.train(photos, **given(options, lh.train))
    print_lines(describe_training(model))
    _save(model, options)
    return 0


def _classify_options(parser: ArgumentParser) -> None:
    add_photos(parser)
    add = parser.add_argument
    add("--model", metavar="MODEL", required=True, help=MODEL)
    add(
        "--out",
        metavar="OUT",
        required=True,
        help=f"{TABLE} to write, or the folder of a run: in parts, and it goes on when run again",
    )
    add("--retry", action="store_true", help="try photos again that a run could not read")
    add("--engine", choices=ENGINES, help="what computes a run: this machine, or a Ray cluster")
    add("--address", help="of the Ray cluster, such as auto; else one is started on this machine")
    add("--split", choices=("train", "test"), default=None, help="only these rows of a split table")
    add("--batch-size", type=int, help="photos at a time; else what suits the device")
    add("--flag-unlike", action="store_true", help="mark photos unlike the training photos")
    add_computing(parser, precision="the model's own where nothing is said")


def _classify(options: Namespace) -> int:
    from .._base.runs import describe_run
    from ..classifier import check_predictions_out, is_table_file
    from ..errors import InputError
    from ..predicting import describe_predictions

    check_predictions_out(options.out)
    # A run streams its photos, where nothing is asked that needs the whole table.
    is_whole = is_table_file(options.out) or options.split or options.scheme or "root" in options
    photos = read_photos(options) if is_whole else options.photos
    if options.split:
        photos = photos[photos["split"] == options.split].reset_index(drop=True)
        if photos.empty:
            raise InputError(f"No photo of {options.photos} has the split {options.split!r}.")
    predictions = lh.classify(photos, options.model, **given(options, lh.classify))
    if isinstance(predictions, lh.Run):
        print_lines(describe_run(predictions))
        return 0 if predictions.statuses.get("ok") else 1
    print(f"{len(predictions)} rows written to {options.out}")
    print_lines(describe_predictions(predictions))
    return 0 if (predictions["status"] == "ok").any() else 1


def _cross_validate_options(parser: ArgumentParser) -> None:
    add_photos(parser)
    add = parser.add_argument
    add("--out", metavar="FILE", required=True, help=f"{TABLE} of predictions to write")
    add("--folds", type=int, help="models to train, each tested on its fold")
    add_apart(parser)
    add("--validation-split", type=float, help="share of points to calibrate each model on")
    add_training(parser)
    add("--closeups", action="store_true", help="train on close-ups too")
    add_seed(parser)
    add_computing(parser)


def _cross_validate(options: Namespace) -> int:
    from ..predicting import describe_predictions

    check_out(options.out)
    own = given(options, lh.cross_validate)
    training = {name: value for name, value in given(options, lh.train).items() if name not in own}
    predictions = lh.cross_validate(read_photos(options), **own, training=training)
    write(predictions, options.out)
    print_lines(describe_predictions(predictions))
    return 0


def _compare_recipes_options(parser: ArgumentParser) -> None:
    add_photos(parser)
    add = parser.add_argument
    add(
        "--recipes",
        "--recipe",
        metavar="RECIPE",
        nargs="+",
        action="extend",
        help=f"{', '.join(RECIPES)}, NAME:arch=efficientnet_lite0,credit=keep with arguments of train, or a "
        ".toml or .json file; the first is what the others are compared with",
    )
    add("--out", metavar="DIR", help="folder that keeps what is finished; run again to go on")
    add("--folds", type=int, help="models to train in each repeat, each tested on its fold")
    add("--repeats", type=int, help="times that folds are drawn anew")
    add_apart(parser)
    add_bootstrap(parser)
    add_seed(parser)
    add_device(parser)
    add("--plot", metavar="FILE", default=None, help="picture to write, .png or .svg")


def _compare_recipes(options: Namespace) -> int:
    from .._base.files import check_out_folder
    from ..studies.recipe_arguments import check_names

    if "recipes" in options:
        if len(options.recipes) == 1:
            (options.recipes,) = options.recipes  # it may be a file
        # Before torch and matplotlib are loaded, which takes seconds.
        check_names(options.recipes)
    from ..pictures.canvas import check_size

    check_size("double", options.plot)
    if "out" in options:
        check_out_folder(options.out)
    comparison = lh.compare_recipes(read_photos(options), **given(options, lh.compare_recipes))
    print(comparison.in_words(words_of(options)))
    if options.plot:
        lh.plot_recipes(comparison, out=options.plot)
        print(f"picture written to {options.plot}")
    if "out" in options:
        print(f"table and picture are in {options.out}")
    return 0


def _add_changing(parser: ArgumentParser, out: str) -> None:
    """Options of a command that makes one model of another with photos."""
    add_photos(parser)
    parser.add_argument("--model", metavar="MODEL", required=True, help=MODEL)
    parser.add_argument("--out", metavar="DIR", required=True, help=out)
    add_overwrite(parser)


def _change(function: str, options: Namespace) -> int:
    """Make one model of another with photos, and save it."""
    from ..saved_models import check_model_folder

    change = getattr(lh, function)
    check_model_folder(options.out, "overwrite" in options)
    photos = read_photos(options)
    _save(change(options.model, photos, **given(options, change)), options)
    return 0


def _calibrate_options(parser: ArgumentParser) -> None:
    _add_changing(parser, "folder for the calibrated model")
    add_device(parser)


def _quantize_options(parser: ArgumentParser) -> None:
    _add_changing(parser, "folder for the model with eight bits")
    parser.add_argument("--n-photos", type=int, help="photos to find the eight bits with")
    add_seed(parser)
    add_cache(parser)


def _in_training_options(parser: ArgumentParser) -> None:
    add_photos(parser)
    add = parser.add_argument
    add("--model", metavar="MODEL", required=True, help=MODEL)
    add("--out", metavar="FILE", required=True, help=f"{TABLE} with the column in_training")


def _in_training(options: Namespace) -> int:
    from .._base.tables import count_lines

    check_out(options.out)
    table = lh.in_training(read_photos(options), options.model, **given(options, lh.in_training))
    print_lines(count_lines(table["in_training"].value_counts()))
    write(table, options.out)
    return 0


def _share_options(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("model", metavar="MODEL", help=MODEL)
    add("out", metavar="FILE.zip", help="zip to write")
    add("--licence", required=True, help="under which others may use it, such as CC-BY-4.0")
    add("--authors", metavar="NAME", nargs="+", required=True, help="whom to name")
    add("--title", help="of its page")
    add("--description", help="for its page: where the photos are from, what it is for")
    add(
        "--evaluation",
        metavar="FILE.json",
        nargs="+",
        help="what evaluate or pilot wrote of photos that took no part in training",
    )
    add(
        "--lucas",
        action=BooleanOptionalAction,
        help="whether photos are the survey's, to be credited; else told by ids and years",
    )
    add("--name-points", action="store_true", help="keep ids of points, if these are public")


def _share(options: Namespace) -> int:
    from ..sharing.share import describe_shared

    shared = lh.share_model(
        options.model,
        options.out,
        licence=options.licence,
        authors=options.authors,
        **given(options, lh.share_model),
    )
    print(words_of(options)(describe_shared(shared)))
    return 0


def _save(model: lh.HabitatModel, options: Namespace) -> None:
    from .._base.files import write_or_rescue
    from ..model import describe_model

    print(words_of(options)(describe_model(model)))
    save = partial(lh.save_model, model, **given(options, lh.save_model))
    folder = write_or_rescue(options.out, save)
    print(f"model written to {folder}")


COMMANDS = (
    Command(
        "train", "train a model on labelled photos", _train_options, _train, ("train", "save_model")
    ),
    Command(
        "classify",
        "predict class probabilities for photos",
        _classify_options,
        _classify,
        ("classify",),
    ),
    Command(
        "cross-validate",
        "classify every photo by a model that never saw its point",
        _cross_validate_options,
        _cross_validate,
        ("cross_validate", "train"),
    ),
    Command(
        "compare-recipes",
        "compare recipes of training on your photos: accuracy and cost",
        _compare_recipes_options,
        _compare_recipes,
        ("compare_recipes",),
    ),
    Command(
        "calibrate",
        "fit a temperature on labelled photos of held-out points",
        _calibrate_options,
        partial(_change, "calibrate"),
        ("calibrate", "save_model"),
    ),
    Command(
        "quantize",
        "give a model eight bits, for CPUs without bfloat16",
        _quantize_options,
        partial(_change, "quantize"),
        ("quantize", "save_model"),
    ),
    Command(
        "in-training",
        "tell whether photos, or their points, were trained on",
        _in_training_options,
        _in_training,
        ("in_training",),
    ),
    Command(
        "share-model",
        "write a model into one zip for others, with a page on what it is",
        _share_options,
        _share,
        ("share_model",),
    ),
)

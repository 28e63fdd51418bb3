"""How a command is declared, the options that several share, and what was given of them.

An option bears the name of the argument it is for. One that is not given is not passed on, so the
function's own default holds; the help reads it there. What is no argument of the command's function
says ``default=None``.
"""

from __future__ import annotations

import argparse
import inspect
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from .._base import words
from .._base.choices import (
    CLASS_BALANCES,
    CREDITS,
    DECODERS,
    HEADS,
    PRECISIONS,
    RECIPES,
    RESIZES,
    SCALINGS,
    SPLITS_BY,
)
from .signatures import defaults_of

__all__ = [
    "MODEL",
    "PHOTOS",
    "SCHEMES",
    "TABLE",
    "Command",
    "Help",
    "add_apart",
    "add_bootstrap",
    "add_cache",
    "add_computing",
    "add_device",
    "add_labels",
    "add_levels",
    "add_overwrite",
    "add_photos",
    "add_root",
    "add_seed",
    "add_training",
    "given",
    "number_or_text",
    "words_of",
]

PHOTOS = (
    "a folder, a photo, a quoted glob, .tar shards, or a .csv or .parquet table with a column path; here, "
    "at s3://... or at https://..."
)
SCHEMES = "pilot, eunis, level1, level2, level3 or a table"
MODEL = "folder, zip, https://..., doi:10.5281/zenodo.N or hf://owner/name of a model"
TABLE = "a .csv or .parquet table"


class Command(NamedTuple):
    """A command of the program."""

    name: str
    text: str  # begins small, ends without a full stop
    add_options: Callable[[ArgumentParser], object]
    run: Callable[[Namespace], int]  # gives the exit code
    functions: tuple[str, ...]  # the public ones whose arguments the options are


def given(options: Namespace, function: Callable[..., Any]) -> dict[str, Any]:
    """What was given of the arguments that a function has a default for, to be passed by name."""
    return {
        argument.name: getattr(options, argument.name)
        for argument in inspect.signature(function).parameters.values()
        if argument.default is not argument.empty and argument.name in options
    }


def words_of(options: Namespace) -> Callable[[str], str]:
    """How messages are said: in the shell's words, or in R's where R runs the command."""
    if getattr(options, "session", None):
        return words.in_r
    return partial(words.in_shell, options=options.parser._option_string_actions)


class Help(argparse.HelpFormatter):
    """Adds the defaults of the command's functions to the help, where they are more than a switch."""

    def __init__(self, functions: tuple[str, ...], **layout: Any) -> None:
        super().__init__(**layout)
        self._functions = functions

    def _get_help_string(self, action: argparse.Action) -> str | None:
        for function in self._functions:
            default = defaults_of(function).get(action.dest)
            if default is not None and default != () and not isinstance(default, bool):
                shown = "".join(default) if isinstance(default, tuple) else default
                return f"{action.help} (default: {shown})"
        return action.help


def add_photos(parser: ArgumentParser) -> None:
    """The photos that a command works on, as `read_photos` takes them."""
    parser.add_argument("photos", metavar="PHOTOS", help=PHOTOS)
    add_root(parser)
    parser.add_argument(
        "--scheme",
        metavar="SCHEME",
        default=None,
        help=f"give photos the class of their lc1 code: {SCHEMES} with the columns code and class",
    )


def add_root(parser: ArgumentParser) -> None:
    """The folder that paths in a table are relative to."""
    parser.add_argument("--root", metavar="DIR", help="what paths in a table are relative to")


def add_labels(parser: ArgumentParser) -> None:
    """Whether the folders of photos are named by their classes."""
    parser.add_argument(
        "--no-labels", dest="labels", action="store_false", help="folder names are not classes"
    )


def add_seed(parser: ArgumentParser) -> None:
    """The seed of whatever is drawn at random."""
    parser.add_argument("--seed", type=int, help="same seed, same result")


def add_apart(parser: ArgumentParser) -> None:
    """What training and test are kept apart by."""
    add = parser.add_argument
    add("--by", choices=SPLITS_BY, help="what is kept on one side whole")
    add("--block", type=float, help="kilometres of a block's side (50)")
    add("--buffer", type=float, help="kilometres around test points not trained on")


def add_bootstrap(parser: ArgumentParser) -> None:
    """The samples and the level of bootstrap intervals."""
    parser.add_argument("--n-boot", type=int, help="bootstrap samples")
    parser.add_argument("--level", type=float, help="of the intervals")


def add_levels(parser: ArgumentParser) -> None:
    """What stands above the classes."""
    parser.add_argument(
        "--levels",
        metavar="LEVELS",
        help="lc1, a table with class, level1, ..., or the folder of the model that classified",
    )


def add_overwrite(parser: ArgumentParser) -> None:
    """Whether a model in the folder is replaced."""
    parser.add_argument("--overwrite", action="store_true", help="replace a model that is there")


def add_device(parser: ArgumentParser) -> None:
    """The device to compute on."""
    parser.add_argument("--device", help="auto, cpu, torch, cuda, cuda:1, mps")


def add_computing(parser: ArgumentParser, precision: str = "arithmetic of the backbone") -> None:
    """The device, the precision and the cache of a backbone."""
    add_device(parser)
    parser.add_argument("--precision", choices=PRECISIONS, help=precision)
    add_cache(parser)


def add_cache(parser: ArgumentParser) -> None:
    """Whether features are looked up in the cache, and kept there."""
    parser.add_argument(
        "--no-cache", dest="cache", action="store_false", help="do not keep features on disk"
    )


def add_training(parser: ArgumentParser) -> None:
    """What `train` and `pilot` can be told of how a model is trained."""
    add = parser.add_argument
    add("--recipe", choices=tuple(RECIPES), help="defaults of the next six")
    add("--arch", help="xception, efficientnet_lite0, ... or names of timm's, joined by +")
    add("--head", choices=HEADS, help="what comes between features and classes")
    add("--dropout", type=float, help="share of the head's inputs to drop")
    add("--epochs", type=int, help="times each photo is trained on")
    add("--batch-size", type=int, help="photos a step")
    add("--learning-rate", type=float, help="of Adam")
    add(
        "--class-balance",
        choices=CLASS_BALANCES,
        help="how rare classes come to count as much as frequent ones",
    )
    add("--weights", type=_weights, help="imagenet, none, or a .safetensors or .pth file")
    add("--scaling", choices=SCALINGS, help="of RGB values")
    add("--target-size", type=int, help="pixels")
    add("--resize", choices=RESIZES, help="how photos are made that small")
    add("--decoder", choices=DECODERS, help="what reads JPEGs")
    add("--credit", choices=CREDITS, help="what is done about the burnt-in credit line")


def _weights(text: str) -> str | None:
    return None if text == "none" else text


def number_or_text(text: str) -> int | str:
    """A whole number where it is one, such as ``2018`` but not ``latest``."""
    return int(text) if text.isdigit() else text

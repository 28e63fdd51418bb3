"""What recipes are asked for: names, arguments of `train`, or a file of them."""

from __future__ import annotations

import difflib
import inspect
import json
import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .._base import words
from .._base.choices import RECIPES
from .._base.files import file_sha256, full_path
from ..errors import InputError, some

__all__ = ["Recipes", "check_names", "check_recipes", "recorded_recipe"]

#: What recipes may be given as.
Recipes = Iterable[str] | Mapping[str, Mapping[str, Any]] | str | os.PathLike[str]

#: Arguments of train() that are the comparison's, or that would not be the same for all.
_NOT_OF_A_RECIPE = ("photos", "validation", "corrections", "seed", "device", "cache", "progress")
_ENDINGS = (".json", ".toml")


def check_names(recipes: Recipes) -> None:
    """Refuse recipes that there are not, without loading what trains."""
    _named(recipes)


def check_recipes(recipes: Recipes | None) -> dict[str, dict[str, Any]]:
    """The arguments of `train` of each recipe, by its name."""
    named = _named(_default() if recipes is None else recipes)
    if len(named) < 2:
        raise InputError(
            f"{words.arg('recipes')} must be at least two, the first of which the others are compared "
            f"with; got {some(list(named)) or 'none'}."
        )
    return {name: _arguments(name, given) for name, given in named.items()}


def recorded_recipe(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """All that a recipe's models depend on, in plain values, so that a changed default is noticed."""
    from ..training import defaults_of, train

    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(train).parameters.items()
        if name not in _NOT_OF_A_RECIPE
    }
    values = {**defaults, **arguments}
    base = defaults_of(values["recipe"], values["head"])
    values |= {k: v for k, v in base.items() if values.get(k) is None}
    if values["weights"] not in (None, "imagenet"):
        values["weights"] = file_sha256(full_path(values["weights"]))
    plain: dict[str, Any] = json.loads(json.dumps(values, default=str))
    return plain


def _default() -> dict[str, dict[str, Any]]:
    """The recipes that keep the backbone frozen, and the pilot's with the small network."""
    named: dict[str, dict[str, Any]] = {
        name: {} for name, values in RECIPES.items() if values["freeze_backbone"]
    }
    named["pilot, Lite0"] = {"recipe": "pilot", "arch": "efficientnet_lite0"}
    return named


def _named(recipes: Recipes) -> dict[str, Any]:
    """Recipes by their names, not looked into yet."""
    if isinstance(recipes, str | os.PathLike):
        text = os.fspath(recipes)
        recipes = _from_file(text) if text.lower().endswith(_ENDINGS) else [text]
    if isinstance(recipes, Mapping):
        return {str(name): given for name, given in recipes.items()}
    if not isinstance(recipes, Iterable):
        raise InputError(f"{words.arg('recipes')} cannot be {words.value(recipes)}.")
    named: dict[str, Any] = {}
    for recipe in recipes:
        name, given = _one(recipe)
        if name in named:
            raise InputError(f"The recipe {name} stands twice in {words.arg('recipes')}.")
        named[name] = given
    return named


def _one(recipe: object) -> tuple[str, dict[str, Any]]:
    """A recipe given as text: its name, or the name and arguments, ``name:arch=...,epochs=20``."""
    if not isinstance(recipe, str):
        raise InputError(
            f"A recipe must be a name of {', '.join(RECIPES)}, or a name with arguments of "
            f"{words.call('train')}; got {words.value(recipe)}."
        )
    name, colon, rest = recipe.partition(":")
    given: dict[str, Any] = {}
    for part in rest.split(",") if colon else []:
        key, equals, value = part.partition("=")
        if not equals:
            raise InputError(
                f"The recipe {recipe!r} is not understood at {part!r}: behind the colon stand arguments of "
                f"{words.call('train')}, each with '=' and its value, with commas between them. A .toml or "
                ".json file can hold them, too."
            )
        given[key.strip().replace("-", "_")] = _value(value.strip())
    if not colon:
        _check_recipe(name)
    return name.strip(), given


def _check_recipe(recipe: object, name: object = None) -> None:
    """Refuse what is no recipe of ours, and say how one of the user's own is written."""
    if recipe in RECIPES:
        return
    near = difflib.get_close_matches(str(recipe), RECIPES, n=1)
    whose = "" if name in (None, recipe) else f", which {name} is to be a variant of"
    raise InputError(
        f"There is no recipe {words.value(recipe)}{whose}"
        + (f"; is {words.value(near[0])} meant? There are " if near else "; there are ")
        + f"{', '.join(RECIPES)}. One of your own has a name and arguments of {words.call('train')}: "
        + words.either(
            '"NAME:arch=efficientnet_lite0,credit=keep", or {"NAME": {"arch": "efficientnet_lite0"}}',
            '"NAME:arch=efficientnet_lite0,credit=keep", or list(NAME = list(arch = "efficientnet_lite0"))',
            "NAME:arch=efficientnet_lite0,credit=keep",
        )
        + "."
    )


def _value(text: str) -> Any:
    """A value as it is written in the shell."""
    lower = text.lower()
    if lower in ("true", "false"):
        return lower == "true"
    if lower == "none":
        return None
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _from_file(text: str) -> Any:
    """What a TOML or JSON file says: a table a recipe, or a list of names."""
    path = full_path(text)
    if not path.is_file():
        raise InputError(f"There is no file {path} of recipes.")
    try:
        content = path.read_text(encoding="utf-8")
        is_toml = path.suffix.lower() == ".toml"
        return _with_paths(tomllib.loads(content) if is_toml else json.loads(content), path.parent)
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(f"Cannot read the recipes {path}: {error}") from error


def _with_paths(recipes: Any, folder: Path) -> Any:
    """Recipes whose files of weights are relative to the folder of their own file."""
    for given in recipes.values() if isinstance(recipes, dict) else []:
        weights = given.get("weights") if isinstance(given, dict) else None
        if isinstance(weights, str) and weights not in ("imagenet", "none"):
            given["weights"] = str(folder / weights)
        elif weights == "none":  # TOML has no word for it
            given["weights"] = None
    return recipes


def _arguments(name: str, given: Any) -> dict[str, Any]:
    """The arguments of `train` of one recipe, checked to be some."""
    if isinstance(given, str):
        given = {"recipe": given}
    if not isinstance(given, Mapping):
        raise InputError(
            f"The recipe {name} must be named arguments of {words.call('train')}; got "
            f"{words.value(given)}."
        )
    from ..training import train

    # One that bears the name of a recipe of ours is meant to be a variant of it.
    arguments = {"recipe": name, **given} if name in RECIPES else dict(given)
    possible = [n for n in inspect.signature(train).parameters if n not in _NOT_OF_A_RECIPE]
    strange = sorted(set(arguments) - set(possible))
    if strange:
        raise InputError(
            f"The recipe {name} has {some(strange)}; it takes these arguments of "
            f"{words.call('train')}: {', '.join(sorted(possible))}."
        )
    _check_recipe(arguments.get("recipe", "pilot"), name)
    weights = arguments.get("weights")
    if weights not in (None, "imagenet") and not full_path(weights).is_file():
        raise InputError(f"The recipe {name} needs the weights {weights}, which are not there.")
    # R's numbers come as 20.0.
    return {
        k: int(v) if isinstance(v, float) and v.is_integer() else v for k, v in arguments.items()
    }

"""What users type, in the words of Python, R and the shell.

A message names functions, arguments and values by `call`, `arg`, `option`, `value` and `either`. Each leaves
a mark with the words of all three languages, and whoever shows the message takes one of them by `in_python`,
`in_r` or `in_shell`. Nothing else in the message is touched, and no text of a user's can be a mark, because a
mark holds letters that are drawn anew in each process.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection
from numbers import Number
from typing import NamedTuple

__all__ = [
    "NAMES",
    "arg",
    "call",
    "either",
    "in_python",
    "in_r",
    "in_shell",
    "marked",
    "option",
    "value",
]


class Name(NamedTuple):
    """A public function's name in R, and the command or option that does it in the shell."""

    r: str | None
    shell: str | None = None


#: The names of all public functions; what one language lacks is None.
NAMES = {
    "abstain": Name("lucas_abstain", "lucas-habitat abstain"),
    "adjust_shares": Name("lucas_adjust_shares", "--adjusted"),
    "assign_habitat": Name("lucas_habitat", "--scheme"),
    "at_level": Name("lucas_at_level", "lucas-habitat at-level"),
    "build_model": Name("lucas_model"),
    "cache_info": Name("lucas_cache_info", "lucas-habitat cache info"),
    "calibrate": Name("lucas_calibrate", "lucas-habitat calibrate"),
    "changes": Name("lucas_changes", "--changes"),
    "check_split": Name("lucas_check_split", "lucas-habitat check-split"),
    "class_colours": Name("lucas_colours"),
    "class_levels": Name("lucas_levels", "lucas-habitat levels"),
    "classify": Name("lucas_classify", "lucas-habitat classify"),
    "clear_cache": Name("lucas_cache_clear", "lucas-habitat cache clear"),
    "compare": Name("lucas_compare", "lucas-habitat compare"),
    "compare_recipes": Name("lucas_compare_recipes", "lucas-habitat compare-recipes"),
    "covariates": Name("lucas_covariates", "lucas-habitat covariates"),
    "credit": Name("lucas_credit"),
    "cross_validate": Name("lucas_cross_validate", "lucas-habitat cross-validate"),
    "doubted_labels": Name("lucas_doubted_labels", "lucas-habitat doubted-labels"),
    "download_photos": Name("lucas_download", "lucas-habitat download"),
    "download_table": Name("lucas_download_table"),
    "draw_demo_photos": Name("lucas_demo_photos"),
    "error_by_distance": Name("lucas_error_by_distance", "lucas-habitat error-by-distance"),
    "estimate_shares": Name("lucas_estimate_shares", "lucas-habitat shares"),
    "eunis_scheme": Name("lucas_eunis"),
    "evaluate": Name("lucas_evaluate", "lucas-habitat evaluate"),
    "in_training": Name("lucas_in_training", "lucas-habitat in-training"),
    "labelling_saved": Name("lucas_labelling_saved", "--saved"),
    "lc1_codes": Name("lucas_codes"),
    "list_photos": Name("lucas_photos", "lucas-habitat list"),
    "load_model": Name("lucas_load"),
    "locate_photos": Name("lucas_locate", "lucas-habitat locate"),
    "near_duplicates": Name("lucas_near_duplicates", "lucas-habitat near-duplicates"),
    "odmap": Name("lucas_odmap", "lucas-habitat odmap"),
    "photo_url": Name(None),
    "pilot": Name("lucas_pilot", "lucas-habitat pilot"),
    "pilot_scheme": Name("lucas_scheme"),
    "plot_confusion": Name("lucas_plot_confusion"),
    "plot_distance": Name("lucas_plot_distance", "--plot"),
    "plot_history": Name("lucas_plot_history"),
    "plot_labelling": Name("lucas_plot_labelling", "--plot"),
    "plot_map": Name("lucas_plot_map"),
    "plot_photos": Name("lucas_plot_photos"),
    "plot_point": Name("lucas_plot_point"),
    "plot_recipes": Name("lucas_plot_recipes", "--plot"),
    "plot_reliability": Name("lucas_plot_reliability"),
    "plot_transitions": Name("lucas_plot_transitions", "--plot"),
    "plot_votes": Name("lucas_plot_votes"),
    "predict_level": Name("lucas_predict_level", "lucas-habitat predict-level"),
    "prediction_sets": Name("lucas_prediction_sets", "lucas-habitat sets"),
    "read_sorted": Name("lucas_read_sorted", "lucas-habitat read-sorted"),
    "read_survey": Name("lucas_survey", "lucas-habitat survey"),
    "reliability": Name("lucas_reliability"),
    "report": Name("lucas_report", "lucas-habitat report"),
    "review_list": Name("lucas_review_list", "lucas-habitat review"),
    "run_app": Name("lucas_app", "lucas-habitat app"),
    "run_demo": Name(None, "lucas-habitat demo"),
    "save_model": Name("lucas_save"),
    "save_rds": Name(None),
    "select_points": Name("lucas_select", "lucas-habitat select"),
    "sort_photos": Name("lucas_sort_photos", "lucas-habitat sort-photos"),
    "quantize": Name("lucas_quantize", "lucas-habitat quantize"),
    "share_model": Name("lucas_share_model", "lucas-habitat share-model"),
    "split_photos": Name("lucas_split", "lucas-habitat split"),
    "support": Name("lucas_support"),
    "to_r": Name(None),
    "train": Name("lucas_train", "lucas-habitat train"),
    "transitions": Name("lucas_transitions", "lucas-habitat transitions"),
    "validate_map": Name("lucas_validate_map", "lucas-habitat validate-map"),
    "vote": Name("lucas_vote", "lucas-habitat vote"),
    "vote_gain": Name("lucas_vote_gain"),
    "write_xmp": Name("lucas_write_xmp", "lucas-habitat write-xmp"),
    "write_croissant": Name("lucas_write_croissant", "lucas-habitat croissant"),
    "write_dwca": Name("lucas_write_dwca", "lucas-habitat dwca"),
}

_R_VALUES = {"True": "TRUE", "False": "FALSE", "None": "NULL", "nan": "NA"}
_SHELL_ONLY = {("field_only", False): "--any-observation", ("open_browser", False): "--no-browser"}
# Between plain text and the words of each language, which follow one another in this order.
_MARK = f"\ue000{os.urandom(8).hex()}\ue000"


def either(python: str, r: str, shell: str | None = None) -> str:
    """Words that each language has its own of; the shell's are Python's where none are given."""
    return "".join((_MARK, python, _MARK, r, _MARK, python if shell is None else shell, _MARK))


def call(function: str) -> str:
    """Name a public function: ``vote()``."""
    r, shell = NAMES[function]
    python = f"{function}()"
    return either(python, f"{r}()" if r else python, shell)


def arg(name: str, *given: object) -> str:
    """Name an argument, ``epochs``, or how to give it a value: ``epochs=20``."""
    if not given:
        return either(name, name, _option(name))
    (what,) = given
    shell = f"{_option(name)} {'none' if what is None else shlex.quote(str(what))}"
    if isinstance(what, bool):
        shell = _SHELL_ONLY.get((name, what)) or (_option(name) if what else f"--no-{name}")
    return either(f"{name}={_python(what)}", f"{name} = {_r(what)}", shell)


def option(name: str) -> str:
    """Name an argument as what can be given: ``epochs=``."""
    return either(f"{name}=", name, _option(name))


def value(what: object) -> str:
    """Show a value as it is typed."""
    return either(_python(what), _r(what))


def marked(message: object) -> str:
    """The text of an error or warning with its marks, for another message or another language."""
    return str(getattr(message, "marked", message))


def in_python(text: str) -> str:
    """A message in Python's words."""
    return _in(text, 1)


def in_r(text: str) -> str:
    """A message in R's words."""
    return _in(text, 2)


def in_shell(text: str, options: Collection[str]) -> str:
    """A message in the shell's words, of a command with these options."""
    parts = text.split(_MARK)
    words = parts[:1]
    for python, shell, plain in zip(parts[1::4], parts[3::4], parts[4::4], strict=True):
        is_lacking = shell.startswith("--") and shell.split()[0] not in options
        words += [python if is_lacking else shell, plain]
    return "".join(words)


def _in(text: str, language: int) -> str:
    return "".join(p for i, p in enumerate(text.split(_MARK)) if i % 4 in (0, language))


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _python(what: object) -> str:
    return str(what) if isinstance(what, Number) else repr(what)  # not np.float64(0.5)


def _r(what: object) -> str:
    return _R_VALUES.get(str(what), _python(what)) if not isinstance(what, str) else repr(what)

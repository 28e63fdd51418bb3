"""What messages say to users of Python, R and the shell, and that no module says it by hand."""

import ast
import inspect
import re
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import lucas_habitat
from lucas_habitat import bridge
from lucas_habitat._base import words
from lucas_habitat.cli import main
from lucas_habitat.cli.main import make_parser
from lucas_habitat.errors import InputError, LucasMessage, LucasWarning, PhotoError, inform, warn

CORE = Path(lucas_habitat.__file__).parent


def in_all(text, *options):
    return words.in_python(text), words.in_r(text), words.in_shell(text, options)


@pytest.mark.parametrize(
    ("text", "python", "r", "shell"),
    [
        (words.call("split_photos"), "split_photos()", "lucas_split()", "lucas-habitat split"),
        (words.call("photo_url"), "photo_url()", "photo_url()", "photo_url()"),
        (words.call("load_model"), "load_model()", "lucas_load()", "load_model()"),
        (words.arg("target_size"), "target_size", "target_size", "--target-size"),
        (words.arg("target_size", 384), "target_size=384", "target_size = 384", "--target-size 384"),
        (words.arg("n", np.int64(9)), "n=9", "n = 9", "--n 9"),
        (words.arg("year", "<=2018"), "year='<=2018'", "year = '<=2018'", "--year '<=2018'"),
        (words.arg("weights", None), "weights=None", "weights = NULL", "--weights none"),
        (words.arg("regroup", True), "regroup=True", "regroup = TRUE", "--regroup"),
        (words.arg("cache", False), "cache=False", "cache = FALSE", "--no-cache"),
        (words.arg("field_only", False), "field_only=False", "field_only = FALSE", "--any-observation"),
        (words.option("out"), "out=", "out", "--out"),
        (words.value(None), "None", "NULL", "None"),
        (words.value(True), "True", "TRUE", "True"),
        (words.value(float("nan")), "nan", "NA", "nan"),
        (words.value("None"), "'None'", "'None'", "'None'"),
        (words.value(np.float64(0.5)), "0.5", "0.5", "0.5"),
        (words.either("index", "row names"), "index", "row names", "index"),
    ],
    ids=lambda text: words.in_python(text),  # marks differ in each process
)  # fmt: skip
def test_each_language_has_its_words(text, python, r, shell):
    options = ("--target-size", "--n", "--year", "--weights", "--regroup", "--no-cache", "--out")
    assert in_all(f"Is {text}, {text}.", *options, "--any-observation") == tuple(
        f"Is {each}, {each}." for each in (python, r, shell)
    )


def test_what_a_command_lacks_is_said_as_in_python():
    text = f"{words.arg('field_only', True)}: {words.call('assign_habitat')}"
    assert words.in_shell(text, ["--scheme"]) == "field_only=True: --scheme"
    assert words.in_shell(text, []) == "field_only=True: assign_habitat()"


@pytest.mark.parametrize(
    "text",
    [
        "covariates(1).csv",
        "/srv/NaN/",
        "/home/k=5/None",
        "the class 'True'",
        "attrs['problems'] DataFrame",
        "\ue000\ue001a\ue000",
        "https://example.org/table?year=2018&n=5",
    ],
)
def test_texts_of_users_stay_as_they_are(text):
    message = f"There is no {text}; {words.call('vote')} {text}{words.arg('reference', text)}"
    assert in_all(message, "--reference")[1] == (
        f"There is no {text}; lucas_vote() {text}reference = {text!r}"
    )
    assert text in words.in_shell(message, [])
    assert str(InputError(f"There is no {text}.")) == f"There is no {text}."


def test_errors_and_warnings_are_plain_and_keep_the_words_of_all():
    error = InputError(f"Use {words.arg('k', 5)}")
    assert str(error) == error.args[0] == "Use k=5"
    assert words.in_r(words.marked(error)) == "Use k = 5"
    assert words.in_r(words.marked(InputError(f"No: {words.marked(error)}"))) == "No: Use k = 5"
    photo = PhotoError("missing", f"See {words.call('vote')}")
    assert (str(photo), photo.status) == ("See vote()", "missing")
    assert words.marked(OSError("disk")) == "disk"
    for say, kind in ((warn, LucasWarning), (inform, LucasMessage)):
        with pytest.warns(kind, match=r"^Use k=5$") as caught:
            say(f"Use {words.arg('k', 5)}")
        assert words.in_r(words.marked(caught[0].message)) == "Use k = 5"


def shell(capsys, *arguments):
    with warnings.catch_warnings():
        assert main([str(a) for a in arguments]) == 1
    return capsys.readouterr().err


def test_a_file_name_that_looks_like_a_function_arrives_as_it_is(tmp_path, capsys):
    folder = tmp_path / "NaN"
    folder.mkdir()
    table = folder / "covariates(1).csv"
    table.write_text("path,p_a,p_b\n")
    with pytest.raises(InputError) as caught:
        lucas_habitat.evaluate(str(table.with_name("vote(2).csv")))
    assert str(caught.value) == f"There is no table {folder}/vote(2).csv."
    answer = bridge.call("list_photos", {"source": str(table)})
    assert answer["message"] == f"The photo table ({table.name}) has no rows."
    answer = bridge.call("vote", {"predictions": str(folder / "vote(2).csv")})
    assert answer["message"] == f"There is no table {folder}/vote(2).csv."
    error = shell(capsys, "vote", folder / "vote(2).csv", "--out", tmp_path / "o.csv")
    assert error == f"lucas-habitat vote: There is no table {folder}/vote(2).csv.\n"


def test_one_error_in_three_languages(tmp_path, capsys):
    photos = pd.DataFrame(
        {"path": list("abcd"), "point_id": list("1122"), "habitat": list("xxyy"),
         "split": ["train", "test", "train", "test"]}
    )  # fmt: skip
    with pytest.raises(InputError, match=r"Pass regroup=True to split anew by point\.$"):
        lucas_habitat.split_photos(photos)
    photos.to_csv(tmp_path / "photos.csv", index=False)
    # R reads no table itself here, so that nothing but the words differs.
    answer = bridge.call("evaluate", {"predictions": str(tmp_path / "photos.csv"), "n_boot": None})
    assert answer["message"] == (
        "n_boot must be a whole number, at least 0 and at most 100000; got NULL instead."
    )
    error = shell(capsys, "split", tmp_path / "photos.csv", "--out", tmp_path / "o.csv")
    assert error.endswith("Pass --regroup to split anew by point.\n")
    error = shell(capsys, "evaluate", tmp_path / "photos.csv", "--n-boot", -1)
    assert error == (
        "lucas-habitat evaluate: --n-boot must be a whole number, at least 0 and at most 100000; "
        "got -1 instead.\n"
    )
    error = shell(capsys, "vote", tmp_path / "photos.csv", "--out", tmp_path / "o.csv")
    assert (
        "lucas-habitat vote needs the columns p_<class> that lucas-habitat classify makes" in error
    )


def test_a_command_that_r_runs_speaks_to_users_of_r(tmp_path, capsys):
    arguments = ("app", "--no-browser", "--model", tmp_path / "none")
    for session, name in (
        ((), "lucas-habitat train"),
        (("--session", tmp_path / "s"), "lucas_train()"),
    ):
        assert f"Models are made by {name} and" in shell(capsys, *arguments, *session)


def test_commands_named_in_messages_exist():
    parser = make_parser()
    commands = next(a for a in parser._actions if a.dest == "command").choices
    options = {o for sub in commands.values() for o in sub._option_string_actions}
    for name in words.NAMES.values():
        if name.shell and name.shell.startswith("--"):
            assert name.shell in options
        elif name.shell:
            command, *action = name.shell.split()[1:]
            assert command in commands
            assert set(action) <= {"info", "clear"}
    assert set(words._SHELL_ONLY.values()) <= options


# ---- no module says it by hand ------------------------------------------------------------------

FUNCTIONS = [n for n in lucas_habitat.__all__ if inspect.isfunction(getattr(lucas_habitat, n))]
ARGUMENTS = sorted(
    {p for f in FUNCTIONS for p in inspect.signature(getattr(lucas_habitat, f)).parameters}
)
A_CALL = rf"(?<![\w.])({'|'.join(FUNCTIONS)})\(\)"
BY_HAND = re.compile(
    rf"{A_CALL}|(?<![\w/?&-])({'|'.join(ARGUMENTS)})=(?!=)"
    rf"|^({'|'.join(ARGUMENTS)}) must\b"
    r"|\b(True|False|NaN)\b|(?<!^)\bNone\b|attrs\[|\bDataFrame\b|\bindex\b|\bpip install '?\"?lucas|--[a-z]"
)
SAYERS = {"warn", "inform", "require_columns", "check_choice", "check_number", "append"}


def _texts(tree):
    """Each text that can be part of a message: what is raised, warned of, noted, or a constant."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            yield from _constants(node.exc)
        elif isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name in SAYERS:
                yield from _constants(node)
    for node in tree.body:
        if isinstance(node, ast.Assign) and not isinstance(node.value, ast.List | ast.Tuple):
            # What goes over lines is code of other languages.
            yield from ((t, line) for t, line in _constants(node.value) if "\n" not in t)


def _constants(node):
    """Texts under a node, but not those that the helpers are given."""
    if isinstance(node, ast.Call):
        owner = getattr(node.func, "value", None)
        if getattr(owner, "id", "") == "words":
            return
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value, node.lineno
    for child in ast.iter_child_nodes(node):
        yield from _constants(child)


def _errors_without_marks(tree):
    """Errors of this package that are put into another message as Python says them."""
    ours = set(lucas_habitat.errors.__all__)
    for handler in ast.walk(tree):
        if not isinstance(handler, ast.ExceptHandler) or handler.name is None:
            continue
        caught = {n.id for n in ast.walk(handler.type) if isinstance(n, ast.Name)}
        if not caught & ours:
            continue
        for node in ast.walk(handler):
            if isinstance(node, ast.Raise) or (
                isinstance(node, ast.Call) and getattr(node.func, "id", "") in SAYERS
            ):
                for part in ast.walk(node):
                    if isinstance(part, ast.FormattedValue) and (
                        getattr(part.value, "id", None) == handler.name
                    ):
                        yield f"{{{handler.name}}}", part.lineno


def by_hand(source):
    tree = ast.parse(source)
    docs = {n.value for n in ast.walk(tree) if isinstance(n, ast.Expr)}
    # A function is named by hand wherever a text calls it: it may become part of a message.
    calls = [
        found
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node not in docs
        for found in _constants(node)
        if re.search(A_CALL, found[0])
    ]
    return sorted(
        {
            *calls,
            *_errors_without_marks(tree),
            *(found for found in _texts(tree) if BY_HAND.search(found[0])),
        }
    )


@pytest.mark.parametrize(
    "message",
    [
        'raise InputError("Give what vote() returned.")',
        'warn(f"{n} rows; pass closeups=True.")',
        'inform("Give labelled points (labelled=).")',
        'raise InputError(f"seed must be at least {n}.")',
        'raise InputError(f"{n} must be a number; got None instead.")',
        'require_columns(table, ["x"], "vote()", "hint")',
        'notes.append(f"rows that are NaN: {n}")',
        'warn("Set the index of sites.")',
        '_HINT = "calibrate() mends that."',
        'read_predictions(table, "vote()")',
        'try: f()\nexcept (OSError, InputError) as error: warn(f"No: {error}")',
        'warn("Give another folder, or --overwrite.")',
    ],
)
def test_words_by_hand_are_found(message):
    assert by_hand(message)


@pytest.mark.parametrize(
    "message",
    [
        "raise InputError(f\"Give what {words.call('vote')} returned.\")",
        'warn(f"None of {n} photos could be read.")',
        'warn(f"The column year must hold {n} numbers.")',
        'try: f()\nexcept InputError as error: warn(f"No: {words.marked(error)}")',
        'try: f()\nexcept OSError as error: warn(f"No: {error}")',
        '"""A docstring may say vote() and k=5."""',
    ],
)
def test_words_of_the_helpers_are_none_by_hand(message):
    assert not by_hand(message)


# What the shell says of itself, the words of the page, which name both languages, the helpers, and the
# names of types that signatures are made of.
NO_MESSAGES = {"texts.py", "words.py", "signatures.py"}


@pytest.mark.parametrize(
    "file",
    [f for f in sorted(CORE.rglob("*.py")) if f.name not in NO_MESSAGES and "cli" not in f.parts],
    ids=lambda f: str(f.relative_to(CORE)),
)
def test_no_message_is_worded_by_hand(file):
    assert by_hand(file.read_text(encoding="utf-8")) == []

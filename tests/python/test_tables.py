"""Tables on disk: the same numbers back, ids as text, whole files or none, names R accepts."""

import os
import re

import numpy as np
import pandas as pd
import pytest

from lucas_habitat._base.classes import classes_of, column_names, probability_columns
from lucas_habitat._base.files import write_atomically, write_json, write_text
from lucas_habitat._base.places import point_ids
from lucas_habitat._base.tables import read_table, tidy_types, write_for_people, write_table
from lucas_habitat.errors import InputError, LucasWarning

FORMATS = [".csv", ".parquet"]


def ids(values, dtype=None):
    return [None if pd.isna(v) else v for v in point_ids(pd.Series(values, dtype=dtype))]


# There and back


@pytest.mark.parametrize("ending", FORMATS)
def test_every_float64_comes_back_exactly(tmp_path, ending):
    rng = np.random.default_rng(2)
    any_bits = rng.integers(0, 2**63, 5000, dtype=np.uint64).view(np.float64)
    numbers = np.concatenate(
        [
            rng.random(5000),
            any_bits[np.isfinite(any_bits)],
            [0.1, 1 / 3, 5e-324, 1.7976931348623157e308, 2.0**53 + 2, -0.0, 1e22, np.nan],
        ]
    )
    table = pd.DataFrame({"p_a": numbers, "confidence": numbers})
    back = read_table(write_table(table, tmp_path / f"t{ending}"))
    for column in table:
        assert back[column].dtype == np.float64
        assert (back[column].to_numpy().view(np.uint64) == numbers.view(np.uint64))[:-1].all()
        assert np.isnan(back[column].iloc[-1])


@pytest.mark.parametrize("ending", FORMATS)
def test_ids_codes_and_labels_stay_text(tmp_path, ending):
    table = pd.DataFrame(
        {
            "point_id": ["00012345", "1e5", None],
            "habitat": ["1", "græs mark, våd", None],
            "lc1": ["E20", "B11", None],
            "year": pd.array([2018, None, 2006], dtype="Int64"),
        }
    )
    back = read_table(write_table(table, tmp_path / f"t{ending}"))
    assert back["year"].dtype == "Int64"
    for column in table:
        assert back[column].isna().equals(table[column].isna())
        assert list(back[column].dropna()) == list(table[column].dropna())


@pytest.mark.parametrize("ending", FORMATS)
def test_a_named_index_is_kept_and_another_is_not(tmp_path, ending):
    table = pd.DataFrame({"p_a": [1.0]}, index=pd.Index(["s1"], name="site"))
    back = read_table(write_table(table, tmp_path / f"named{ending}")).reset_index()
    assert back.loc[0, "site"] == "s1"
    back = read_table(write_table(table.rename_axis(None), tmp_path / f"plain{ending}"))
    assert list(back.columns) == ["p_a"]
    assert list(back.index) == [0]


def test_writing_makes_the_folder_and_gives_the_path_back(tmp_path):
    path = tmp_path / "ny mappe" / "tabel.csv"
    assert write_table(pd.DataFrame({"a": [1]}), path) == path
    assert path.read_bytes() == b"a\n1\n"


@pytest.mark.parametrize("ending", FORMATS)
def test_a_write_that_fails_leaves_what_was_there_and_no_part(tmp_path, ending):
    path = tmp_path / f"t{ending}"
    write_table(pd.DataFrame({"a": [1]}), path)
    before = path.read_bytes()

    class Unwritable:
        def __str__(self):
            raise RuntimeError("cannot be written")

    with pytest.raises(Exception, match=r"cannot be written|Could not convert"):
        write_table(pd.DataFrame({"a": [1] * 99 + [Unwritable()]}, dtype=object), path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == [path.name]


def test_an_interrupted_write_leaves_no_part(tmp_path):
    def half(tmp):
        tmp.write_text("half")
        assert tmp.parent == tmp_path  # on the same disk, or the move would not be atomic
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "t.csv", half)
    assert os.listdir(tmp_path) == []


def test_text_and_json(tmp_path):
    assert write_text("græs\n", tmp_path / "t.txt").read_bytes() == "græs\n".encode()
    path = write_json({"klasse": "græs", "p": 0.1}, tmp_path / "t.json")
    assert path.read_text(encoding="utf-8") == '{\n  "klasse": "græs",\n  "p": 0.1\n}\n'
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json({"p": float("nan")}, tmp_path / "nan.json")
    assert not (tmp_path / "nan.json").exists()


# Reading what others wrote


def test_semicolons_bring_decimal_commas(tmp_path):
    (tmp_path / "t.csv").write_bytes("point_id;p_a;note\n007;0,25;a,b\n".encode("utf-8-sig"))
    back = read_table(tmp_path / "t.csv")
    assert back.iloc[0].to_dict() == {"point_id": "007", "p_a": 0.25, "note": "a,b"}


def test_an_unquoted_comma_is_an_error_not_a_shift(tmp_path):
    (tmp_path / "t.csv").write_text("path\nfields, north/a.jpg\n")
    with pytest.raises(InputError, match=r"t\.csv: its rows have more fields than its header"):
        read_table(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"", r"Cannot read the table .*t\.csv"),
        ("t.csv", "path\ngræs.jpg\n".encode("latin-1"), r"it is not UTF-8 .*CSV UTF-8"),
        ("t.csv", b"a,b\n1,2\n1,2,3\n", "Expected 2 fields in line 3, saw 3"),
        ("t.parquet", b"no parquet", r"Cannot read the table .*t\.parquet"),
        ("t.xlsx", b"x", r"its ending must be \.csv or \.parquet"),
    ],
)
def test_files_that_are_no_tables(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_table(tmp_path / name)


def test_a_table_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"There is no table .*gone\.csv"):
        read_table(tmp_path / "gone.csv")


def test_a_table_of_another_ending_is_not_written(tmp_path):
    with pytest.raises(InputError, match=r"Cannot write the table .*t\.xlsx: its ending must be"):
        write_table(pd.DataFrame(), tmp_path / "t.xlsx")


# Types


@pytest.mark.parametrize(
    "values", [[2018, 2006], ["2018", " 2006"], [2018.0, 2006.0], ["2018.0", "2006"]]
)
def test_years_become_whole_numbers(values):
    years = tidy_types(pd.DataFrame({"year": values}))["year"]
    assert years.dtype == "Int64"
    assert list(years) == [2018, 2006]


@pytest.mark.parametrize("blank", [None, "", " ", np.nan])
def test_a_year_may_be_missing(blank):
    years = tidy_types(pd.DataFrame({"year": ["2018", blank]}))["year"]
    assert years[0] == 2018
    assert years.isna()[1]


@pytest.mark.parametrize("bad", [2018.5, "2018-07-01", "x", np.inf, 1e30])
def test_a_year_that_is_no_whole_number(bad):
    with pytest.raises(InputError, match=rf"row 2 has {re.escape(str(bad))}\."):
        tidy_types(pd.DataFrame({"year": [2018, bad]}))


def test_numbers_among_words_become_missing():
    with pytest.warns(LucasWarning, match="1 values of obs_dist are no numbers.*: not relevant"):
        found = tidy_types(pd.DataFrame({"obs_dist": ["1.5", "not relevant", None]}))["obs_dist"]
    assert found[0] == 1.5
    assert found.isna().tolist() == [False, True, True]


def test_tidying_leaves_the_callers_table_and_other_columns_alone():
    table = pd.DataFrame({"year": ["2018"], "note": ["007"]})
    before = table.copy()
    assert tidy_types(table)["note"][0] == "007"
    pd.testing.assert_frame_equal(table, before)


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ([31603628, 9123456], ["31603628", "09123456"]),
        ([31603628.0, np.nan], ["31603628", None]),
        ([9999999, 99999999], ["9999999", "99999999"]),
        ([1000000], ["1000000"]),
        ([1234567, 31603628], ["1234567", "31603628"]),
        ([999999, 31603628], ["999999", "31603628"]),
        ([100000000, 1234567], ["100000000", "1234567"]),
        ([1, 20, 300], ["1", "20", "300"]),
        ([1.5, 2.0], ["1.5", "2"]),
        ([1.5e300], [f"{1.5e300:.0f}"]),
        ([np.inf], ["inf"]),
    ],
)
def test_only_numbers_that_can_be_lucas_ids_get_eight_digits(numbers, expected):
    assert ids(numbers) == expected


def test_nullable_whole_numbers_as_ids():
    assert ids([31603628, None], dtype="Int64") == ["31603628", None]


def test_text_ids_are_only_stripped():
    assert ids([" 0012345 ", "1234567", "Ødegård 7", "", None]) == [
        "0012345",
        "1234567",
        "Ødegård 7",
        None,
        None,
    ]


# Class names as columns


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("woody", "p_woody"),
        ("woody vegetation", "p_woody_vegetation"),
        ("græs", "p_graes"),
        ("Ødemark", "p_Odemark"),
        ("δάσος", "p_dasos"),
        ("wet / dry (2)", "p_wet_dry_2"),
        ("_x_", "p_x"),
        ("1", "p_1"),
    ],
)
def test_class_names_become_names_that_r_accepts(label, name):
    assert column_names([label]) == [name]
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name)


def test_another_prefix():
    assert column_names(["a", "b"], "v_") == ["v_a", "v_b"]


@pytest.mark.parametrize("labels", [["woody area", "woody-area"], ["Woody", "woody"], ["ø", "o"]])
def test_two_classes_for_one_column_are_refused(labels):
    with pytest.raises(InputError, match=rf"{labels[0]!r} and {labels[1]!r} would both get"):
        column_names(labels)


@pytest.mark.parametrize("label", ["", "---", " "])
def test_a_class_without_a_letter_is_refused(label):
    with pytest.raises(InputError, match="has no letter or digit"):
        column_names(["woody", label])


def predictions(labels, predicted, habitat=None):
    table = pd.DataFrame(
        dict.fromkeys(column_names(labels), [1 / len(labels)] * len(predicted)),
    )
    table["predicted"] = pd.Categorical(predicted, labels)
    if habitat is not None:
        table["habitat"] = habitat
    return table


def test_classes_in_the_order_of_the_columns():
    labels = ["woody vegetation", "græs", "ager"]
    table = predictions(labels, ["ager"])
    assert classes_of(table) == labels
    assert probability_columns(table) == ["p_woody_vegetation", "p_graes", "p_ager"]
    assert probability_columns(table.assign(v_ager=1.0), "v_") == ["v_ager"]


@pytest.mark.parametrize("ending", FORMATS)
def test_classes_after_a_file(tmp_path, ending):
    labels = ["woody vegetation", "græs", "ager"]
    table = predictions(labels, ["ager", "græs"], ["woody vegetation", None])
    assert classes_of(read_table(write_table(table, tmp_path / f"t{ending}"))) == labels


def test_a_class_that_occurs_nowhere_keeps_its_columns_name_after_csv(tmp_path):
    table = predictions(["woody vegetation", "græs"], ["græs"])
    back = read_table(write_table(table, tmp_path / "t.csv"))
    assert classes_of(back) == ["woody_vegetation", "græs"]


def test_classes_without_probabilities_are_those_seen():
    table = pd.DataFrame({"predicted": ["b", "a"], "habitat": ["c", None]})
    assert classes_of(table) == ["a", "b", "c"]


# Cells that spreadsheets run

FORMULAS = ["=1+1", "+1", "-x", "@SUM(A1)", "\t=1", "\r=1"]


def test_cells_that_spreadsheets_run_are_escaped_where_that_is_asked_for(tmp_path, monkeypatch):
    texts = [*FORMULAS, "a=b", "", None, "'=1"]
    table = pd.DataFrame({
        "path": texts, "habitat": pd.Categorical(texts), "=x": 1, "n": np.arange(len(texts)) - 5,
    })  # fmt: skip
    write_for_people(table, tmp_path / "plain.csv")
    assert read_table(tmp_path / "plain.csv")["path"].tolist()[:6] == FORMULAS
    monkeypatch.setenv("LUCAS_HABITAT_SAFE_CELLS", "true")
    write_for_people(table, tmp_path / "safe.csv")
    safe = read_table(tmp_path / "safe.csv")
    assert list(safe.columns) == ["path", "habitat", "'=x", "n"]
    for column in ("path", "habitat"):
        assert safe[column].tolist()[:7] == [f"'{text}" for text in FORMULAS] + ["a=b"]
    assert safe["n"].tolist() == table["n"].tolist()  # numbers stay numbers
    assert table["path"].tolist()[:6] == FORMULAS
    write_for_people(table, tmp_path / "safe.parquet")
    assert read_table(tmp_path / "safe.parquet")["path"].tolist()[:6] == FORMULAS


def test_row_names_that_spreadsheets_run_are_escaped_too(tmp_path, monkeypatch):
    monkeypatch.setenv("LUCAS_HABITAT_SAFE_CELLS", "1")
    table = pd.DataFrame({"a": [1, 2]}, index=pd.Index(["=1", "b"], name="site"))
    write_for_people(table, tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text() == "site,a\n'=1,1\nb,2\n"


def test_the_program_escapes_cells_when_told(tmp_path, monkeypatch):
    from lucas_habitat.cli import main

    monkeypatch.setenv("LUCAS_HABITAT_SAFE_CELLS", "")
    photos = pd.DataFrame({"path": ["/p/a.jpg"], "lc1": ["B16"], "note": ["=1+1"]})
    photos.to_csv(tmp_path / "photos.csv", index=False)
    arguments = ["list", str(tmp_path / "photos.csv"), "--out", str(tmp_path / "out.csv")]
    assert main(arguments) == 0
    assert "'" not in (tmp_path / "out.csv").read_text()
    assert main(["--safe-cells", *arguments]) == 0
    assert "'=1+1" in (tmp_path / "out.csv").read_text()

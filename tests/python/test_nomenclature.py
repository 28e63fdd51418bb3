"""Land cover codes to habitat classes: every code, every kind of scheme, and what is counted."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import lucas_habitat as lh
from lucas_habitat._base.lc1 import LEGACY_LC1
from lucas_habitat.errors import InputError, LucasMessage, LucasWarning

SHARED = Path(os.environ.get("LUCAS_SHARED", Path(__file__).parents[3] / "shared"))
SAMPLE = SHARED / "data" / "lucas" / "lucas_harmo_uf_sample.csv"

CLASS_OF_LETTER = {"A": "artificial", "B": "cropland", "C": "woody", "D": "woody", "E": "grassland"}


def codes(*values):
    return pd.DataFrame({"lc1": list(values)})


def classes(*values, scheme="pilot"):
    found = lh.assign_habitat(codes(*values), scheme)["habitat"]
    return [None if pd.isna(c) else c for c in found]


# The codes


def test_the_nomenclature_has_76_codes_each_once():
    table = lh.lc1_codes()
    assert len(table) == 76
    assert table["code"].is_unique
    assert table[["code", "label", "level1", "level1_label"]].notna().all(axis=None)
    assert sorted(table.loc[table["level2"].isna(), "code"]) == ["BX1", "BX2"]


def test_every_code_gets_the_pilots_class():
    table = lh.lc1_codes()
    with pytest.warns(LucasMessage, match="codes without a class"):
        found = lh.assign_habitat(table, column="code")["habitat"]
    expected = table["code"].str[0].map(CLASS_OF_LETTER).where(~table["code"].str.startswith("BX"))
    assert found.isna().equals(expected.isna())
    assert list(found.dropna()) == list(expected.dropna())
    assert list(found.dropna()) == list(table["suggested_4class"].dropna())


def test_legacy_codes_are_known_and_classed_by_their_letter():
    legacy = sorted(LEGACY_LC1)
    with pytest.warns(LucasMessage, match=r"^7 rows have codes without a class") as told:
        found = classes(*legacy)
    assert found == [CLASS_OF_LETTER.get(c[0]) for c in legacy]
    assert not [w for w in told if issubclass(w.category, LucasWarning)]


@pytest.mark.parametrize("code", ["E20 ", " e20", "e20", "\tE20\n"])
def test_case_and_blanks_do_not_matter(code):
    assert classes(code) == ["grassland"]


@pytest.mark.parametrize("code", ["BX1", "Bx1", "bx2", "BX2 "])
def test_photo_interpreted_codes_have_no_class(code):
    with pytest.warns(LucasMessage, match=rf"codes without a class: {code.strip().upper()} \(1\)"):
        assert classes(code, "B11") == [None, "cropland"]


# Schemes


def test_level1_and_level2_take_the_codes_of_that_level():
    assert classes("B71", "bx1", "E20", "F00", scheme="level1") == ["B", "B", "E", "F"]
    assert classes("B71", "bx1", "E20", "C11", scheme="level2") == ["B70", "BX1", "E20", "C10"]


def test_levels_agree_with_the_nomenclature():
    table = lh.lc1_codes()
    table["level2"] = table["level2"].fillna(table["code"])  # BX1 and BX2 are of no group
    for level in ("level1", "level2"):
        found = lh.assign_habitat(table, level, column="code")["habitat"]
        assert list(found) == list(table[level])


@pytest.mark.parametrize("group", ["B70", "B7", "b70 ", "B", "B00"])
def test_a_group_or_letter_covers_its_codes(group):
    assert classes("B71", "B75", scheme={group: "orchard"}) == ["orchard", "orchard"]


def test_the_most_specific_entry_wins_in_any_order():
    scheme = {"B": "cropland", "B71": "apples", "B70": "orchard", "B7": "never"}
    backwards = dict(reversed(scheme.items()))
    for given in (scheme, backwards):
        found = classes("B71", "B72", "B11", scheme=given)
        assert found == ["apples", "orchard", "cropland"]


def test_a_specific_entry_without_a_class_takes_the_code_out():
    with pytest.warns(LucasMessage, match=r"1 rows have codes without a class: B55 \(1\)"):
        found = classes("B55", "B11", scheme={"B": "cropland", "B55": None})
    assert found == [None, "cropland"]


def test_a_scheme_as_table_dict_csv_and_parquet_gives_the_same(tmp_path):
    scheme = pd.DataFrame({"code": ["b", "E20 ", "H11"], "class": ["ager", " græs", None]})
    scheme.to_csv(tmp_path / "scheme.csv", index=False)
    scheme.to_csv(tmp_path / "excel.csv", index=False, sep=";", encoding="utf-8-sig")
    scheme.to_parquet(tmp_path / "scheme.parquet")
    as_dict = dict(zip(scheme["code"], scheme["class"], strict=True))
    for given in (
        scheme,
        as_dict,
        tmp_path / "scheme.csv",
        str(tmp_path / "excel.csv"),
        tmp_path / "scheme.parquet",
    ):
        with pytest.warns(LucasMessage, match=r"1 rows have codes without a class: H11 \(1\)"):
            assert classes("B11", "E20", "H11", scheme=given) == ["ager", "græs", None]


def test_the_pilot_scheme_is_a_start_for_ones_own():
    own = lh.pilot_scheme()
    own.loc[len(own)] = ["B55", "grassland"]
    assert classes("B55", "B11", scheme=own) == ["grassland", "cropland"]


def test_a_class_name_with_a_space_is_kept():
    assert classes("C10", scheme={"C": "woody vegetation"}) == ["woody vegetation"]


def test_a_scheme_that_contradicts_itself_is_refused():
    scheme = pd.DataFrame({"code": ["B71", "b71 "], "class": ["orchard", "cropland"]})
    with pytest.raises(InputError, match="gives the code B71 both 'orchard' and 'cropland'"):
        classes("B71", scheme=scheme)


def test_a_scheme_may_repeat_itself():
    scheme = pd.DataFrame({"code": ["B71", "b71 "], "class": ["orchard", "orchard "]})
    assert classes("B71", scheme=scheme) == ["orchard"]


def test_a_scheme_without_its_columns_is_refused():
    with pytest.raises(InputError, match="A scheme needs the column class; got code, habitat"):
        classes("B71", scheme=pd.DataFrame({"code": ["B"], "habitat": ["x"]}))


@pytest.mark.parametrize("scheme", ["Pilot", "scheme.xlsx"])
def test_a_scheme_of_another_name(scheme):
    with pytest.raises(InputError, match=r"scheme must be 'pilot', 'level1'.*got .* instead"):
        classes("B71", scheme=scheme)


@pytest.mark.parametrize("scheme", [5, None])
def test_a_scheme_that_is_none(scheme):
    with pytest.raises(InputError, match=r"scheme must be a scheme's name.*got .* instead"):
        classes("B71", scheme=scheme)


def test_a_scheme_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="There is no table"):
        classes("B71", scheme=tmp_path / "gone.csv")


def test_a_scheme_that_fits_no_row_is_refused_with_the_codes():
    with pytest.raises(InputError, match=r"No row of 2 got a class: the codes in lc1 are A11, B71"):
        classes("B71", "a11", scheme={"urban": "x"})


@pytest.mark.parametrize("scheme", ["pilot", "level1"])
def test_a_column_without_any_code_is_refused(scheme):
    with pytest.raises(InputError, match="the codes in lc1 are all empty"):
        classes(None, " ", scheme=scheme)


# What is counted, and what comes back


def test_codes_without_a_class_are_counted_by_code():
    with pytest.warns(
        LucasMessage, match=r"^3 rows have codes without a class: G11 \(2\), H12 \(1\)\.$"
    ):
        found = classes("G11", "g11", "H12", "E20")
    assert found == [None, None, None, "grassland"]


def test_codes_of_no_nomenclature_are_a_warning():
    with pytest.warns(LucasWarning, match=r"^2 rows .* no LUCAS nomenclature has: 8 \(2\)\.$"):
        assert classes("8", "E20", "8") == [None, "grassland", None]


def test_rows_without_a_code_are_counted():
    with pytest.warns(LucasMessage, match=r"^3 rows have no code in lc1\.$"):
        assert classes(None, "E20", "", np.nan) == [None, "grassland", None, None]


def test_every_row_comes_back_in_place_with_its_columns():
    given = pd.DataFrame({"cover": ["E20", "B11"], "note": [1, 2]}, index=[9, 9])
    before = given.copy()
    found = lh.assign_habitat(given, column="cover")
    pd.testing.assert_frame_equal(found.drop(columns="habitat"), before)
    pd.testing.assert_frame_equal(given, before)
    assert list(found["habitat"]) == ["grassland", "cropland"]


def test_a_habitat_that_was_there_is_replaced():
    given = codes("E20").assign(habitat="old")
    assert list(lh.assign_habitat(given)["habitat"]) == ["grassland"]


def test_an_empty_table_stays_one():
    assert list(lh.assign_habitat(codes())["habitat"]) == []


def test_a_missing_column_is_named():
    with pytest.raises(InputError, match=r"needs the column lc1; got code.*column="):
        lh.assign_habitat(pd.DataFrame({"code": ["E20"]}))


def test_a_table_on_disk(tmp_path):
    codes("E20 ", "Bx1").to_csv(tmp_path / "t.csv", index=False)
    with pytest.warns(LucasMessage, match="BX1"):
        found = lh.assign_habitat(tmp_path / "t.csv")
    assert found["habitat"].iloc[0] == "grassland"


@pytest.mark.skipif(not SAMPLE.is_file(), reason="LUCAS_SHARED/data/lucas is not here")
def test_the_surveys_own_harmonised_table():
    table = lh.assign_habitat(SAMPLE)
    assert table.shape == (4, 118)
    assert dict(zip(table["point_id"], table["habitat"], strict=True)) == {
        "47282098": "cropland",  # B13 barley
        "32362878": "grassland",  # E20
        "38023110": "cropland",  # B13, seen from 169 m
        "31603628": "woody",  # D10 shrubland
    }


def test_words_are_no_codes():
    """The wrong column: labels begin with letters that are codes of something else."""
    from lucas_habitat import assign_habitat

    table = pd.DataFrame({"lc1": ["CROPLAND", "Bare soil", "B11"]})
    with pytest.warns(LucasWarning, match="2 rows have codes that no LUCAS nomenclature has"):
        found = assign_habitat(table)
    assert found["habitat"].isna().tolist() == [True, True, False]


# EUNIS


def test_eunis_has_a_row_a_code_and_says_why_where_it_has_no_habitat():
    table = lh.eunis_scheme()
    assert table["code"].tolist() == lh.lc1_codes()["code"].tolist()
    none = table["class"].isna()
    assert table.loc[none, "level1"].isna().all()
    assert table.loc[none, "note"].notna().all()
    assert table.loc[~none, "name"].notna().all()
    assert (table.loc[~none, "class"].str[0] == table.loc[~none, "level1"]).all()
    assert table["level1"].dropna().isin(list("ABCDEFGHIJ")).all()
    # What the help says of gaps.
    length = table["class"].str.len().fillna(0).astype(int).value_counts()
    assert length.to_dict() == {2: 46, 1: 14, 0: 16}
    assert (table["class"] == "I1").sum() == 28
    assert table.loc[none, "code"].tolist() == [
        "B55", "B71", "B72", "B73", "B74", "B75", "B83", "B84", "BX1", "BX2",
        "E30", "F10", "F20", "F30", "F40", "H11",
    ]  # fmt: skip


def test_eunis_has_one_name_a_habitat():
    table = lh.eunis_scheme().dropna(subset=["class"])
    assert (table.groupby("class")["name"].nunique() == 1).all()


def test_eunis_gives_photos_both_levels():
    table = codes("B16", "C10", "C22", "E20", "H12", "G50")
    found = lh.assign_habitat(table, "eunis")
    assert found["habitat"].tolist() == ["I1", "G", "G3", "E", "D", "H4"]
    assert found["habitat_level1"].tolist() == ["I", "G", "G", "E", "D", "H"]
    assert lh.class_levels(lh.eunis_scheme())["level1"].nunique() == 9
    with pytest.warns(LucasMessage, match=r"without a class: B55 \(1\)"):
        lh.assign_habitat(codes("B16", "B55"), "eunis")

"""Photo tables: what is read from folders, names and tables, what is reported, what is refused."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import COLOURS, colour_photo, growth

import lucas_habitat as lh
from lucas_habitat import photos as listing
from lucas_habitat.errors import InputError, LucasMessage, LucasWarning
from lucas_habitat.photos import (
    COLUMNS,
    as_photos,
    check_labels,
    describe_photos,
    groups_of,
    leave_out_closeups,
)

SHARED = Path(os.environ.get("LUCAS_SHARED", Path(__file__).parents[3] / "shared"))
REAL = SHARED / "data" / "lucas" / "photos"


def make_files(folder, *names):
    """Empty files: a photo table is made without opening a photo."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def only_row(table):
    assert len(table) == 1
    return {k: None if pd.isna(v) else v for k, v in table.iloc[0].items()}


def names_of(table, folder):
    return [Path(os.path.relpath(p, folder)).as_posix() for p in table["path"]]


# Layouts of folders


def test_class_folders_name_the_class(tmp_path):
    make_files(tmp_path, "cropland/x.jpg", "woody/y.jpg", "woody/deeper/z.jpg")
    table = lh.list_photos(tmp_path)
    assert list(table.columns) == list(COLUMNS)
    assert list(table["habitat"]) == ["cropland", "woody", "woody"]
    assert table[["point_id", "year", "direction", "split"]].isna().all(axis=None)


def test_photos_right_in_the_folder_have_no_class(tmp_path):
    make_files(tmp_path, "x.jpg")
    assert only_row(lh.list_photos(tmp_path))["habitat"] is None


@pytest.mark.parametrize(
    ("word", "letter"),
    [
        ("east", "E"),
        ("North", "N"),
        ("SOUTH", "S"),
        ("west", "W"),
        ("point", "P"),
        ("e", "E"),
        ("N", "N"),
        ("C", "C"),
        ("crop", "C"),
        ("cover", "C"),
        ("closeup", "C"),
        ("close-up", "C"),
    ],
)
def test_pilot_layout(tmp_path, word, letter):
    make_files(tmp_path, f"train/cropland/31062100_{word}_2018.jpg")
    row = only_row(lh.list_photos(tmp_path))
    assert (row["point_id"], row["direction"], row["year"]) == ("31062100", letter, 2018)
    assert (row["habitat"], row["split"]) == ("cropland", "train")
    assert (row["x"], row["y"]) == (3106000.0, 2100000.0)


@pytest.mark.parametrize(
    ("folder", "split"),
    [("train", "train"), ("Test", "test"), ("training", "train"), ("testing", "test")],
)
def test_train_and_test_folders_fill_split(tmp_path, folder, split):
    make_files(tmp_path, f"{folder}/woody/a.jpg")
    row = only_row(lh.list_photos(tmp_path))
    assert (row["split"], row["habitat"]) == (split, "woody")


@pytest.mark.parametrize("letter", list("PNESWC"))
def test_plain_letter(tmp_path, letter):
    make_files(tmp_path, f"31603628{letter}.jpg", "sub/x.txt")
    row = only_row(lh.list_photos(tmp_path))
    assert (row["point_id"], row["direction"], row["year"]) == ("31603628", letter, None)


def test_survey_server_folders_give_year_and_country_and_no_class(tmp_path):
    make_files(tmp_path, "2018/UK/316/036/31603628N.jpg", "2006/be/380/231/38023110P.JPG")
    table = lh.list_photos(tmp_path)
    assert list(table["year"]) == [2006, 2018]
    assert list(table["nuts0"]) == ["BE", "UK"]
    assert list(table["point_id"]) == ["38023110", "31603628"]
    assert table["habitat"].isna().all()


def test_folders_above_the_servers_are_no_class(tmp_path):
    make_files(tmp_path, "lucas/photos/2018/UK/316/036/31603628N.jpg")
    assert only_row(lh.list_photos(tmp_path))["habitat"] is None


@pytest.mark.parametrize("inner", ["2018", "2018/UK", "2018/UK/316", "2018/UK/316/036"])
def test_a_folder_within_the_servers_is_no_class(tmp_path, inner):
    make_files(tmp_path, "2018/UK/316/036/31603628N.jpg")
    row = only_row(lh.list_photos(tmp_path / inner))
    assert (row["year"], row["nuts0"], row["habitat"]) == (2018, "UK", None)


@pytest.mark.parametrize(
    ("word", "letter"),
    [
        ("Point", "P"),
        ("North", "N"),
        ("East", "E"),
        ("South", "S"),
        ("West", "W"),
        ("CropLC1", "C"),
        ("CropLC2", "C"),
    ],
)
def test_names_of_2022(tmp_path, word, letter):
    make_files(tmp_path, f"2022/DK/432/360/202243203600LCLU_{word}.jpg")
    row = only_row(lh.list_photos(tmp_path))
    assert (row["point_id"], row["direction"]) == ("43203600", letter)
    assert (row["year"], row["nuts0"]) == (2022, "DK")


def test_a_year_folder_gives_the_year_and_no_class(tmp_path):
    make_files(tmp_path, "woody/2015/43203600N.jpg", "2018/woody/43203600N.jpg")
    table = lh.list_photos(tmp_path)
    assert list(table["year"]) == [2018, 2015]
    assert list(table["habitat"]) == ["woody", "woody"]


def test_names_and_folders_are_read_once(tmp_path, monkeypatch):
    for folder in ("crop/2015", "crop/2018", "wood"):
        for name in ("31603628N.jpg", "31603628S.jpg", "meadow.jpg"):
            (tmp_path / folder / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / folder / name).touch()
    asked = {"from_folders": 0, "from_name": 0}

    def counted(name):
        work = getattr(listing, name)

        def call(*given):
            asked[name] += 1
            return work(*given)

        return call

    for name in asked:
        monkeypatch.setattr(listing, name, counted(name))
    photos = lh.list_photos(tmp_path)
    assert photos["habitat"].tolist() == ["crop"] * 6 + ["wood"] * 3
    assert photos["year"].tolist() == [2015] * 3 + [2018] * 3 + [pd.NA] * 3
    assert asked == {"from_folders": 3, "from_name": 9}


def test_the_name_knows_the_year_better_than_the_folder(tmp_path):
    make_files(tmp_path, "2015/woody/31062100_east_2018.jpg")
    assert only_row(lh.list_photos(tmp_path))["year"] == 2018


def test_other_plots_bring_any_id_with_spaces_and_letters(tmp_path):
    folder = make_files(
        tmp_path / "mine fotos på øen",
        "græs mark/Ødegård plot 7_north_2021.jpg",
        "græs mark/plot_b_12_south.jpg",
    )
    table = lh.list_photos(folder)
    assert list(table["point_id"]) == ["plot_b_12", "Ødegård plot 7"]
    assert list(table["direction"]) == ["S", "N"]
    assert list(table["habitat"]) == ["græs mark", "græs mark"]
    assert table["year"].isna()[0]
    assert table["year"][1] == 2021
    assert "x" not in table
    assert all(os.path.isfile(p) for p in table["path"])


@pytest.mark.parametrize("name", ["photo_c.jpg", "IMG_2018.jpg", "3160362N.jpg"])
def test_names_that_say_nothing_leave_the_photo_without_a_point(tmp_path, name):
    make_files(tmp_path, name)
    row = only_row(lh.list_photos(tmp_path))
    assert (row["point_id"], row["direction"], row["year"]) == (None, None, None)


def test_labels_false_leaves_the_class_missing(tmp_path):
    make_files(tmp_path, "train/observer anna/31062100_east_2018.jpg")
    row = only_row(lh.list_photos(tmp_path, labels=False))
    assert (row["habitat"], row["split"]) == (None, "train")


def test_only_photos_are_listed_in_order_of_path(tmp_path):
    make_files(tmp_path, "b.png", "a.JPEG", "c.webp", "d.tif", "e.bmp", "notes.txt", "t.csv")
    assert names_of(lh.list_photos(tmp_path), tmp_path) == [
        "a.JPEG",
        "b.png",
        "c.webp",
        "d.tif",
        "e.bmp",
    ]


def test_hidden_files_and_archive_litter_are_passed_over(tmp_path):
    make_files(
        tmp_path, "woody/a.jpg", "woody/._a.jpg", ".trash/b.jpg", "__MACOSX/woody/c.jpg", ".d.jpg"
    )
    assert names_of(lh.list_photos(tmp_path), tmp_path) == ["woody/a.jpg"]


@pytest.mark.parametrize("pattern", ["", "**/*.jpg"])
def test_a_link_back_to_a_folder_above_lists_each_photo_once(tmp_path, pattern):
    make_files(tmp_path, "woody/a.jpg")
    try:
        (tmp_path / "woody" / "loop").symlink_to(tmp_path, target_is_directory=True)
    except OSError:
        pytest.skip("this system makes no symbolic links")
    table = lh.list_photos(tmp_path / pattern)
    assert names_of(table, tmp_path) == ["woody/a.jpg"]


# One photo, globs, lists


def test_a_single_photo(tmp_path):
    make_files(tmp_path, "woody/31603628N.jpg")
    row = only_row(lh.list_photos(tmp_path / "woody" / "31603628N.jpg"))
    assert (row["point_id"], row["direction"], row["habitat"]) == ("31603628", "N", None)


def test_a_glob_names_classes_below_its_fixed_part(tmp_path):
    make_files(tmp_path, "woody/a.jpg", "cropland/b.jpg", "cropland/sub/c.jpg", "cropland/d.png")
    table = lh.list_photos(str(tmp_path / "*" / "*.jpg"))
    assert names_of(table, tmp_path) == ["cropland/b.jpg", "woody/a.jpg"]
    assert list(table["habitat"]) == ["cropland", "woody"]


def test_a_glob_with_two_stars_goes_all_the_way_down(tmp_path):
    make_files(tmp_path, "woody/a.jpg", "cropland/sub/c.jpg", "woody/notes.txt")
    table = lh.list_photos(str(tmp_path / "**" / "*"))
    assert names_of(table, tmp_path) == ["cropland/sub/c.jpg", "woody/a.jpg"]
    assert list(table["habitat"]) == ["cropland", "woody"]


def test_a_folder_with_brackets_in_its_name_is_a_folder(tmp_path):
    make_files(tmp_path / "photos [old]", "woody/a.jpg")
    assert only_row(lh.list_photos(tmp_path / "photos [old]"))["habitat"] == "woody"


def test_a_list_keeps_its_order_and_becomes_absolute(tmp_path, monkeypatch):
    make_files(tmp_path, "b/31603628N.jpg", "a/31603628P.jpg")
    monkeypatch.chdir(tmp_path)
    table = lh.list_photos(["b/31603628N.jpg", Path("a/31603628P.jpg")])
    assert list(table["path"]) == [
        os.path.abspath("b/31603628N.jpg"),
        os.path.abspath("a/31603628P.jpg"),
    ]
    assert list(table["direction"]) == ["N", "P"]
    assert table["habitat"].isna().all()


# Tables

ROWS = "path,point_id,year,habitat,obs_dist\nfotos/a b.jpg,00012345,2018,græs,1.5\n"


@pytest.mark.parametrize(
    "content",
    [
        ROWS.encode(),
        ROWS.encode("utf-8-sig"),
        ROWS.replace(",", ";").replace("1.5", "1,5").encode("utf-8-sig"),
        ROWS.replace("\n", "\r\n").encode(),
    ],
    ids=["comma", "byte order mark", "semicolon and decimal comma", "Windows lines"],
)
def test_csv_tables(tmp_path, content):
    (tmp_path / "photos.csv").write_bytes(content)
    row = only_row(lh.list_photos(tmp_path / "photos.csv"))
    assert row["path"] == str(tmp_path / "fotos" / "a b.jpg")
    assert (row["point_id"], row["year"], row["habitat"]) == ("00012345", 2018, "græs")
    assert row["obs_dist"] == 1.5


def test_parquet_table(tmp_path):
    pd.DataFrame({"path": ["x/31603628N.jpg"], "habitat": ["woody"], "note": ["n"]}).to_parquet(
        tmp_path / "photos.parquet"
    )
    row = only_row(lh.list_photos(tmp_path / "photos.parquet"))
    assert row["path"] == str(tmp_path / "x" / "31603628N.jpg")
    assert (row["point_id"], row["direction"], row["note"]) == ("31603628", "N", "n")


def test_a_data_frame_is_relative_to_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    row = only_row(lh.list_photos(pd.DataFrame({"path": ["x/a.jpg"]})))
    assert row["path"] == os.path.abspath("x/a.jpg")


def test_root_says_what_paths_are_relative_to(tmp_path):
    table = tmp_path / "tables" / "photos.csv"
    table.parent.mkdir()
    table.write_text("path\na.jpg\n")
    row = only_row(lh.list_photos(table, root=tmp_path / "elsewhere"))
    assert row["path"] == str(tmp_path / "elsewhere" / "a.jpg")


def test_absolute_paths_are_taken_as_they_are(tmp_path):
    away = str(tmp_path / "away" / "a.jpg")
    row = only_row(lh.list_photos(pd.DataFrame({"path": [away]}), root=tmp_path / "root"))
    assert row["path"] == away


def test_windows_separators_in_a_table(tmp_path):
    row = only_row(lh.list_photos(pd.DataFrame({"path": [r"woody\a.jpg"]}), root=tmp_path))
    assert row["path"] == str(tmp_path / "woody" / "a.jpg")


@pytest.mark.parametrize("path", ["../a.jpg", "x/../../a.jpg", r"..\a.jpg", "../root2/a.jpg"])
def test_a_path_that_leaves_its_folder_is_refused(tmp_path, path):
    with pytest.raises(InputError, match=r"leaves the folder of its table.*root="):
        lh.list_photos(pd.DataFrame({"path": [path]}), root=tmp_path / "root")


def test_a_path_may_turn_within_its_folder(tmp_path):
    row = only_row(lh.list_photos(pd.DataFrame({"path": ["x/../y/a.jpg"]}), root=tmp_path))
    assert row["path"] == str(tmp_path / "y" / "a.jpg")


def test_a_tables_columns_win_over_names(tmp_path):
    given = pd.DataFrame(
        {"path": ["31603628N_.jpg"], "point_id": ["7"], "direction": ["south"], "year": [2015]}
    )
    row = only_row(lh.list_photos(given, root=tmp_path))
    assert (row["point_id"], row["direction"], row["year"]) == ("7", "S", 2015)


def test_names_fill_the_columns_a_table_lacks(tmp_path):
    given = pd.DataFrame({"path": ["31062100_east_2018.jpg"], "year": [2015]}, index=[41])
    row = only_row(lh.list_photos(given, root=tmp_path))
    assert (row["point_id"], row["direction"], row["year"]) == ("31062100", "E", 2015)


def test_a_tables_order_and_other_columns_are_kept(tmp_path):
    given = pd.DataFrame(
        {"observer": ["x", "y"], "path": ["b.jpg", "a.jpg"], "lc1": ["E20", None], "lat": [55, 56]}
    )
    table = lh.list_photos(given, root=tmp_path)
    assert names_of(table, tmp_path) == ["b.jpg", "a.jpg"]
    assert list(table.columns) == [*COLUMNS, "lc1", "lat", "observer"]
    assert table["lat"].dtype == np.float64


def test_listing_leaves_the_callers_table_alone(tmp_path):
    given = pd.DataFrame({"path": ["a.jpg"], "year": ["2018"]})
    before = given.copy()
    lh.list_photos(given, root=tmp_path)
    pd.testing.assert_frame_equal(given, before)


def test_listing_twice_changes_nothing(tmp_path):
    make_files(tmp_path, "train/woody/31062100_east_2018.jpg", "test/cropland/b.jpg")
    once = lh.list_photos(tmp_path)
    pd.testing.assert_frame_equal(lh.list_photos(once), once)


def test_numbers_as_ids_become_text_of_eight_digits(tmp_path):
    given = pd.DataFrame({"path": ["a.jpg", "b.jpg"], "point_id": [31603628, 9123456]})
    table = lh.list_photos(given, root=tmp_path)
    assert list(table["point_id"]) == ["31603628", "09123456"]
    assert list(table["x"]) == [3160000.0, 912000.0]


def test_a_tables_own_coordinates_are_not_replaced(tmp_path):
    given = pd.DataFrame({"path": ["31603628N.jpg"], "x": [1.5], "y": [2.5]})
    row = only_row(lh.list_photos(given, root=tmp_path))
    assert (row["x"], row["y"]) == (1.5, 2.5)


def test_blank_cells_are_missing(tmp_path):
    given = pd.DataFrame(
        {"path": ["a.jpg"], "point_id": [" "], "habitat": [""], "direction": [" "], "split": [""]}
    )
    row = only_row(lh.list_photos(given, root=tmp_path))
    assert [row[c] for c in ("point_id", "habitat", "direction", "split")] == [None] * 4


# What is reported


def test_labels_that_disagree_within_a_point_and_year_are_named(tmp_path):
    make_files(
        tmp_path,
        "woody/31062100_east_2018.jpg",
        "cropland/31062100_west_2018.jpg",
        "woody/31062102_east_2018.jpg",
    )
    with pytest.warns(LucasWarning, match=r"^1 points .* 31062100 \(cropland/woody\)\.$"):
        lh.list_photos(tmp_path)


def test_labels_may_change_over_the_years(tmp_path):
    make_files(tmp_path, "woody/31062100_east_2018.jpg", "cropland/31062100_east_2015.jpg")
    assert lh.list_photos(tmp_path)["habitat"].nunique() == 2  # a warning would be an error here


def test_labels_that_disagree_without_a_year_are_named(tmp_path):
    make_files(tmp_path, "woody/31062100E.jpg", "cropland/31062100W.jpg")
    with pytest.warns(LucasWarning, match="31062100"):
        lh.list_photos(tmp_path)


def test_photos_without_a_point_cannot_disagree(tmp_path):
    make_files(tmp_path, "woody/a.jpg", "cropland/b.jpg")
    assert len(lh.list_photos(tmp_path)) == 2


def test_rows_that_stand_twice_are_left_out_and_named(tmp_path):
    given = pd.DataFrame({"path": ["a.jpg", "b.jpg", "./a.jpg"], "habitat": ["w", "c", "w"]})
    with pytest.warns(LucasWarning, match=r"1 rows of the table stand twice.*a\.jpg"):
        table = lh.list_photos(given, root=tmp_path)
    assert names_of(table, tmp_path) == ["a.jpg", "b.jpg"]


def test_one_photo_with_two_labels_is_refused(tmp_path):
    given = pd.DataFrame({"path": ["a.jpg", "a.jpg"], "habitat": ["woody", "cropland"]})
    with pytest.raises(
        InputError, match=r"1 photos stand in the table twice, with different labels"
    ):
        lh.list_photos(given, root=tmp_path)


def test_unknown_direction_words_are_missing_and_named(tmp_path):
    given = pd.DataFrame({"path": ["a.jpg", "b.jpg"], "direction": ["up", " North "]})
    with pytest.warns(LucasWarning, match=r"1 photos have a direction other than P, N.*: up"):
        table = lh.list_photos(given, root=tmp_path)
    assert table["direction"].isna()[0]
    assert table["direction"][1] == "N"


def test_unknown_split_words_are_missing_and_named(tmp_path):
    given = pd.DataFrame({"path": ["a.jpg", "b.jpg"], "split": ["validation", "TEST"]})
    with pytest.warns(LucasWarning, match="split other than train or test.*validation"):
        table = lh.list_photos(given, root=tmp_path)
    assert table["split"].isna()[0]
    assert table["split"][1] == "test"


# What is refused


def test_an_empty_folder(tmp_path):
    make_files(tmp_path, "notes.txt")
    with pytest.raises(InputError, match=r"There is no photo in .*Looked for \.jpg"):
        lh.list_photos(tmp_path)


def test_a_glob_without_a_match(tmp_path):
    with pytest.raises(InputError, match="No photo matches"):
        lh.list_photos(str(tmp_path / "*.jpg"))


def test_an_empty_list():
    with pytest.raises(InputError, match="list of photos is empty"):
        lh.list_photos([])


def test_a_source_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"There is no .*gone.*a folder, a photo, a glob"):
        lh.list_photos(tmp_path / "gone")


def test_a_table_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"There is no table .*gone\.csv"):
        lh.list_photos(tmp_path / "gone.csv")


def test_a_file_that_is_neither_photo_nor_table(tmp_path):
    make_files(tmp_path, "photos.xlsx")
    with pytest.raises(InputError, match=r"photos\.xlsx is neither a photo nor a table"):
        lh.list_photos(tmp_path / "photos.xlsx")


@pytest.mark.parametrize("source", [None, 5])
def test_something_that_is_no_source(source):
    with pytest.raises(InputError, match="source must be a table of photos, a folder, or the"):
        lh.list_photos(source)


def test_a_table_without_a_path_column(tmp_path):
    (tmp_path / "t.csv").write_text("file,habitat\na.jpg,woody\n")
    with pytest.raises(InputError, match=r"\(t\.csv\) needs the column path; got file, habitat"):
        lh.list_photos(tmp_path / "t.csv")


def test_a_table_without_rows(tmp_path):
    with pytest.raises(InputError, match="has no rows"):
        lh.list_photos(pd.DataFrame({"path": []}))


@pytest.mark.parametrize("blank", [None, "", "  "])
def test_rows_without_a_path(blank):
    with pytest.raises(InputError, match=r"1 of 2 rows of the table have no path, .* row 2"):
        lh.list_photos(pd.DataFrame({"path": ["a.jpg", blank]}))


def test_a_year_that_is_none(tmp_path):
    with pytest.raises(InputError, match=r"year must hold whole numbers.*row 2 has last year"):
        lh.list_photos(pd.DataFrame({"path": ["a.jpg", "b.jpg"], "year": ["2018", "last year"]}))


# What other functions make of a photo table


def test_a_photo_without_a_point_is_a_group_of_its_own(tmp_path):
    make_files(tmp_path, "a.jpg", "b.jpg", "31603628N.jpg", "31603628P.jpg")
    table = lh.list_photos(tmp_path)
    assert groups_of(table).nunique() == 3
    assert groups_of(table)[0] == groups_of(table)[1] == "31603628"


def test_close_ups_are_listed_and_left_out_aloud(tmp_path):
    make_files(tmp_path, "31603628N.jpg", "31603628C.jpg", "x.jpg")
    table = lh.list_photos(tmp_path)
    assert "C" in set(table["direction"].dropna())
    with pytest.warns(lh.errors.LucasMessage, match=r"1 close-ups \(C\) are left out"):
        kept = leave_out_closeups(table, False)
    assert names_of(kept, tmp_path) == ["31603628N.jpg", "x.jpg"]
    assert leave_out_closeups(table, True) is table


def test_a_tables_rows_stand_one_for_one_where_predictions_follow():
    given = pd.DataFrame({"path": ["a.jpg", "a.jpg", "b.jpg"]}, index=[5, 5, 6])
    table = as_photos(given)
    assert list(table["path"]) == ["a.jpg", "a.jpg", "b.jpg"]
    assert list(table.index) == [5, 5, 6]
    pd.testing.assert_frame_equal(as_photos(table), table)


def test_a_table_that_went_through_csv_is_read_anew():
    """All columns are there, and none is in its form."""
    given = pd.DataFrame(
        {
            "path": ["a.jpg", "b.jpg"],
            "point_id": [31603628.0, np.nan],
            "year": [2018.0, np.nan],
            "direction": ["Cover", "north"],
            "habitat": [1, 2],
            "split": ["Testing", "train"],
        }
    )
    table = as_photos(given)
    assert table["point_id"].iloc[0] == "31603628"
    assert table["direction"].tolist() == ["C", "N"]
    assert table["split"].tolist() == ["test", "train"]
    assert table["habitat"].tolist() == ["1", "2"]


def test_labels_a_model_does_not_know_are_named():
    table = as_photos(pd.DataFrame({"path": ["a.jpg"], "habitat": ["heath"]}))
    with pytest.warns(LucasWarning, match="labelled heath.*it knows cropland, woody"):
        check_labels(table, ["cropland", "woody"])


def test_a_summary_counts_what_the_table_holds(tmp_path):
    make_files(
        tmp_path,
        "train/woody/31062100_east_2018.jpg",
        "train/woody/31062100_cover_2018.jpg",
        "test/cropland/31062102_east_2015.jpg",
        "test/lone.jpg",
    )
    assert describe_photos(lh.list_photos(tmp_path)) == [
        "4 photos of 2 points",
        "1 photos without a point: each is one of its own",
        "1 close-ups (C): listed, left out of training and votes",
        "years 2015, 2018",
        "classes: cropland 1, woody 2",
        "split: test 2, train 2",
        "1 photos without a class",
    ]


def test_time_grows_with_the_rows_and_no_faster():
    n = 50_000
    point = np.arange(n) // 5
    given = pd.DataFrame(
        {
            "path": [f"fotos/{p + 30_000_000}{'PNESW'[i % 5]}.jpg" for i, p in enumerate(point)],
            "habitat": np.where(point % 2, "woody", "cropland"),
        }
    )
    assert growth(lh.list_photos, given.head(n // 8), given) < 16
    assert lh.list_photos(given)["point_id"].nunique() == n // 5


# The survey's own photos


@pytest.mark.skipif(not REAL.is_dir(), reason="LUCAS_SHARED/data/lucas/photos is not here")
def test_real_photos_in_the_servers_folders():
    table = lh.list_photos(REAL)
    assert len(table) == 19
    points = table.groupby("point_id").agg(
        year=("year", "first"), nuts0=("nuts0", "first"), n=("path", "size")
    )
    assert points.to_dict("index") == {
        "31603628": {"year": 2018, "nuts0": "UK", "n": 6},
        "32362878": {"year": 2015, "nuts0": "FR", "n": 6},
        "38023110": {"year": 2006, "nuts0": "BE", "n": 6},
        "47282098": {"year": 2009, "nuts0": "IT", "n": 1},
    }
    assert table["habitat"].isna().all()
    assert "".join(sorted(table.loc[table["point_id"] == "31603628", "direction"])) == "CENPSW"
    uk = table[table["point_id"] == "31603628"].iloc[0]
    assert (uk["x"], uk["y"]) == (3160000.0, 3628000.0)


def test_a_folder_without_points_and_its_model_speak_of_photos(tmp_path):
    for c, habitat in enumerate(COLOURS):
        (tmp_path / habitat).mkdir()
        for i in range(4):
            colour_photo(habitat, 10 * c + i).save(tmp_path / habitat / f"IMG{c}{i}.jpg")
    photos = lh.list_photos(tmp_path)
    assert describe_photos(photos)[0] == f"{len(photos)} photos"
    with pytest.warns(LucasMessage, match="no point"):
        train, _ = lh.split_photos(photos, test_size=0.25)
    model = lh.train(train, arch="efficientnet_lite0", epochs=1, progress=False)
    assert f"trained on   {len(train)} photos; recipe" in repr(model)

"""Splits by point: nothing on both sides, both sides alike, the same again, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from conftest import growth

import lucas_habitat as lh
from lucas_habitat.errors import InputError, LucasMessage, LucasWarning, SplitError
from lucas_habitat.photos import groups_of
from lucas_habitat.splits import draw_test_points

DIRECTIONS = "PNESW"


def make_photos(points_per_class, years=(2018,), directions=DIRECTIONS, **columns):
    rows = [
        {
            "path": f"{habitat}/{habitat}{i}_{d}_{year}.jpg",
            "point_id": f"{habitat}{i}",
            "year": year,
            "direction": d,
            "habitat": habitat,
        }
        for habitat, n in points_per_class.items()
        for i in range(n)
        for year in years
        for d in directions
    ]
    return lh.list_photos(pd.DataFrame(rows).assign(**columns))


def random_photos(seed):
    """Points of any number of photos and years, some changing class, some photos without any."""
    rng = np.random.default_rng(seed)
    n, n_classes = int(rng.integers(40, 200)), int(rng.integers(2, 6))
    point = rng.integers(0, n // 2, n)
    usual = rng.choice([f"class {c}" for c in range(n_classes)], n)
    habitat = np.where(rng.random(n) < 0.9, usual[point], usual)
    table = pd.DataFrame({"path": [f"{i}.jpg" for i in range(n)], "habitat": habitat})
    table["point_id"] = pd.Series(point.astype(str)).where(rng.random(n) < 0.8)
    table["year"] = rng.choice([2009, 2012, 2015, 2018], n)
    table["split"] = None
    table["direction"] = None
    return table


def points_of(photos):
    return set(groups_of(photos))


# By point


def test_no_point_stands_on_both_sides_in_any_of_its_years():
    photos = make_photos({"cropland": 15, "woody": 15}, years=(2009, 2015, 2018))
    train, test = lh.split_photos(photos)
    assert not points_of(train) & points_of(test)
    assert points_of(train) | points_of(test) == points_of(photos)
    assert (len(train), len(test)) == (360, 90)
    assert set(train["split"]) == {"train"}
    assert set(test["split"]) == {"test"}


@pytest.mark.filterwarnings("ignore::lucas_habitat.errors.LucasMessage")
@pytest.mark.parametrize("seed", range(20))
def test_random_tables_split_by_point_into_the_share_asked_for(seed):
    photos = random_photos(seed)
    share = float(np.random.default_rng(seed).uniform(0.2, 0.6))
    train, test = lh.split_photos(photos, test_size=share, seed=seed)
    assert not points_of(train) & points_of(test)
    assert sorted([*train["path"], *test["path"]]) == sorted(photos["path"])
    n = groups_of(photos).nunique()
    assert len(points_of(test)) == round(share * n)


def test_classes_have_the_same_share_of_points_on_both_sides():
    photos = make_photos({"cropland": 100, "grassland": 50, "woody": 10})
    _, test = lh.split_photos(photos, test_size=0.2)
    assert test.groupby("habitat")["point_id"].nunique().to_dict() == {
        "cropland": 20,
        "grassland": 10,
        "woody": 2,
    }


@pytest.mark.parametrize("test_size", [0.1, 0.2, 0.5, 0.8, 0.9])
def test_a_rare_class_stands_on_both_sides(test_size):
    photos = make_photos({"cropland": 98, "woody": 2}, directions="P")
    train, test = lh.split_photos(photos, test_size=test_size)
    assert (train["habitat"] == "woody").sum() == (test["habitat"] == "woody").sum() == 1
    assert len(test) == 100 * test_size


def test_two_points_a_class_split_in_halves():
    photos = make_photos({"a": 2, "b": 2, "c": 2})
    train, test = lh.split_photos(photos, test_size=0.5)
    assert set(train["habitat"]) == set(test["habitat"]) == {"a", "b", "c"}


def test_a_point_counts_for_its_commonest_class():
    photos = make_photos({"cropland": 4, "woody": 4})
    changed = photos["path"].str.contains("cropland0_P|woody0_P")
    photos.loc[changed, "habitat"] = ["woody", "cropland"]
    drawn = draw_test_points(photos, 0.5, seed=1)
    tested = photos[drawn].drop_duplicates("point_id")["point_id"].str.rstrip("0123456789")
    assert sorted(tested) == ["cropland", "cropland", "woody", "woody"]


def test_photos_keep_their_order_and_columns():
    photos = make_photos({"cropland": 5, "woody": 5}, note="n")
    train, test = lh.split_photos(photos)
    assert list(train.columns) == list(photos.columns)
    for side in (train, test):
        assert list(side["path"]) == [p for p in photos["path"] if p in set(side["path"])]
        assert list(side.index) == list(range(len(side)))
    assert photos["split"].isna().all()


def test_photos_without_a_point_are_points_of_their_own_openly():
    photos = make_photos({"cropland": 10, "woody": 10}, directions="P", point_id=None)
    with pytest.warns(LucasMessage, match="20 photos have no point: each is split as a point"):
        train, test = lh.split_photos(photos)
    assert (len(train), len(test)) == (16, 4)


# The same again


def test_the_same_seed_gives_the_same_split_whatever_the_order_of_rows():
    photos = make_photos({"cropland": 20, "woody": 30})
    first = lh.split_photos(photos, n_per_class=63, seed=7)
    for state in (1, 2):
        again = lh.split_photos(photos.sample(frac=1, random_state=state), n_per_class=63, seed=7)
        for a, b in zip(first, again, strict=True):
            assert set(a["path"]) == set(b["path"])


def test_another_seed_gives_another_split():
    photos = make_photos({"cropland": 20, "woody": 30})
    drawn = {tuple(sorted(points_of(lh.split_photos(photos, seed=s)[1]))) for s in range(5)}
    assert len(drawn) == 5


def test_every_point_has_the_same_chance():
    photos = make_photos({"cropland": 5, "woody": 5}, directions="P")
    counts = pd.Series(0, index=photos["path"])
    for seed in range(100):
        counts[photos["path"][draw_test_points(photos, 0.4, seed)]] += 1
    assert counts.between(20, 60).all()  # 40 expected, standard deviation 5


# Balanced sampling


def test_n_per_class_is_exact_and_takes_whole_points():
    photos = make_photos({"cropland": 40, "grassland": 20, "woody": 9})
    train, test = lh.split_photos(photos, n_per_class=23)
    chosen = pd.concat([train, test])
    assert chosen["habitat"].value_counts().to_dict() == {
        "cropland": 23,
        "grassland": 23,
        "woody": 23,
    }
    for _, of_class in chosen.groupby("habitat"):
        assert sorted(of_class["point_id"].value_counts()) == [3, 5, 5, 5, 5]


@pytest.mark.filterwarnings("ignore::lucas_habitat.errors.LucasMessage")
@pytest.mark.parametrize("seed", range(10))
def test_n_per_class_is_exact_in_random_tables(seed):
    photos = random_photos(seed)
    n = photos["habitat"].value_counts().min()
    train, test = lh.split_photos(photos, n_per_class=int(n), test_size=0.4, seed=seed)
    counts = pd.concat([train, test])["habitat"].value_counts()
    assert set(counts) == {n}
    assert not points_of(train) & points_of(test)


def test_n_per_class_is_exact_where_the_index_repeats():
    halves = make_photos({"cropland": 10, "woody": 10}), make_photos({"heath": 10})
    train, test = lh.split_photos(pd.concat(halves), n_per_class=20, test_size=0.5)
    assert set(pd.concat([train, test])["habitat"].value_counts()) == {20}


def test_n_per_class_draws_no_close_ups():
    photos = make_photos({"cropland": 10, "woody": 10}, directions="PC")
    train, test = lh.split_photos(photos, n_per_class=10)
    assert set(pd.concat([train, test])["direction"]) == {"P"}
    with pytest.raises(InputError, match="the classes have cropland 10, woody 10"):
        lh.split_photos(photos, n_per_class=11)


def test_n_per_class_more_than_there_are():
    photos = make_photos({"cropland": 10, "woody": 2})
    with pytest.raises(
        InputError, match=r"n_per_class=11 photos .* the classes have cropland 50, woody 10\."
    ):
        lh.split_photos(photos, n_per_class=11)


@pytest.mark.parametrize("n", [0, -1, 2.5, "ten", True])
def test_n_per_class_must_be_a_whole_number(n):
    with pytest.raises(InputError, match="n_per_class must be a whole number, at least 1"):
        lh.split_photos(make_photos({"cropland": 4, "woody": 4}), n_per_class=n)


# A split that the photos came with


def came_split(photos, test=("0", "1")):
    side = np.where(photos["point_id"].str[-1].isin(test), "test", "train")
    return photos.assign(split=side)


def test_folders_with_train_and_test_are_honoured(tmp_path):
    for name in (
        "train/woody/31062100_east_2018.jpg",
        "train/cropland/31062102_east_2018.jpg",
        "test/woody/31062104_east_2018.jpg",
        "test/cropland/31062106_east_2018.jpg",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    train, test = lh.split_photos(lh.list_photos(tmp_path))
    assert list(train["point_id"]) == ["31062102", "31062100"]
    assert list(test["point_id"]) == ["31062106", "31062104"]


def test_a_test_size_that_is_not_used_is_said():
    photos = came_split(make_photos({"cropland": 4, "woody": 4}))
    with pytest.warns(LucasMessage, match="test_size is not used.*regroup=True"):
        _, test = lh.split_photos(photos, test_size=0.25)
    assert len(test) == 20


def test_points_on_both_sides_are_an_error_that_names_them():
    photos = came_split(make_photos({"cropland": 4, "woody": 4}))
    leak = photos["path"].str.contains("woody3_P|cropland2_N")
    photos.loc[leak, "split"] = "test"
    with pytest.raises(
        SplitError,
        match=r"2 points stand in both train and test: cropland2, woody3\..*regroup=True",
    ):
        lh.split_photos(photos)


def test_a_point_leaks_through_another_year_too():
    photos = make_photos({"cropland": 4, "woody": 4}, years=(2015, 2018))
    photos["split"] = np.where(photos["year"] == 2018, "test", "train")
    with pytest.raises(SplitError, match="8 points stand in both"):
        lh.split_photos(photos)


def test_many_leaks_are_counted():
    photos = make_photos({"cropland": 10, "woody": 10})
    photos["split"] = np.where(photos["direction"] == "P", "test", "train")
    with pytest.raises(SplitError, match=r"20 points .* and 15 more\."):
        lh.split_photos(photos)


def test_regroup_splits_anew_by_point():
    photos = make_photos({"cropland": 10, "woody": 10})
    photos["split"] = np.where(photos["direction"] == "P", "test", "train")
    train, test = lh.split_photos(photos, regroup=True)
    assert not points_of(train) & points_of(test)
    assert len(test) == 20
    assert set(train["split"]) == {"train"}


def test_a_split_filled_for_some_only():
    photos = came_split(make_photos({"cropland": 4, "woody": 4}))
    photos.loc[[0, 1, 2], "split"] = None
    with pytest.raises(SplitError, match=r"3 of 40 photos say neither train nor test.*regroup"):
        lh.split_photos(photos)


def test_a_split_with_one_side_only():
    photos = make_photos({"cropland": 4, "woody": 4}, split="train")
    with pytest.raises(SplitError, match="All photos say 'train'"):
        lh.split_photos(photos)


# What is refused


@pytest.mark.parametrize("test_size", [0, 1, -0.1, 1.5, "half", np.nan, True])
def test_test_size_must_lie_between_0_and_1(test_size):
    with pytest.raises(
        InputError, match="test_size must be a number, more than 0 and less than 1; got"
    ):
        lh.split_photos(make_photos({"cropland": 4, "woody": 4}), test_size=test_size)


@pytest.mark.parametrize(("test_size", "n_test"), [(0.1, 1), (0.95, 8)])
def test_a_side_too_small_for_the_classes(test_size, n_test):
    with pytest.raises(InputError, match=rf"of 8 points leaves {n_test} to test .* 2 classes"):
        lh.split_photos(make_photos({"cropland": 4, "woody": 4}), test_size=test_size)


def test_one_class_only():
    with pytest.raises(InputError, match="At least two classes are needed; got only 'woody' in 20"):
        lh.split_photos(make_photos({"woody": 4}))


def test_no_class_at_all():
    photos = make_photos({"woody": 4}, habitat=None)
    with (
        pytest.warns(LucasWarning, match="20 of 20 photos have no class"),
        pytest.raises(InputError, match="At least two classes are needed; got none"),
    ):
        lh.split_photos(photos)


def test_a_class_with_one_point():
    with pytest.raises(InputError, match="The class 'woody' has a single point"):
        lh.split_photos(make_photos({"cropland": 9, "woody": 1}))


def test_photos_without_a_class_are_on_neither_side_and_counted():
    photos = make_photos({"cropland": 10, "woody": 10})
    photos.loc[photos["point_id"] == "woody0", "habitat"] = None
    with pytest.warns(LucasWarning, match="5 of 100 photos have no class"):
        train, test = lh.split_photos(photos)
    assert len(train) + len(test) == 95
    assert "woody0" not in points_of(train) | points_of(test)


def test_categories_without_a_photo_are_no_classes():
    photos = make_photos({"cropland": 10, "woody": 10})
    photos["habitat"] = pd.Categorical(photos["habitat"], ["cropland", "heath", "woody"])
    train, test = lh.split_photos(photos, n_per_class=50)
    assert set(train["habitat"]) == set(test["habitat"]) == {"cropland", "woody"}


def test_time_grows_with_the_points_and_no_faster():
    few, many = (make_photos({"cropland": n, "woody": n}, directions="P") for n in (2_500, 20_000))
    assert growth(lh.split_photos, few, many) < 16
    assert len(lh.split_photos(many)[1]) == 8000


# By block, country and year, and with a buffer


def land(n=400, seed=1, side=200_000, **columns):
    """Points at random places of a square of land, in two classes."""
    rng = np.random.default_rng(seed)
    photos = make_photos({"cropland": n // 2, "woody": n // 2}, directions="PN")
    point = groups_of(photos)
    places = dict(zip(point.unique(), rng.uniform(0, side, (n, 2)), strict=True))
    photos["x"] = 4_300_000 + point.map(lambda p: places[p][0])
    photos["y"] = 3_300_000 + point.map(lambda p: places[p][1])
    return photos.assign(**columns)


def cells(photos, km):
    return set(zip(photos["x"] // (1000 * km), photos["y"] // (1000 * km), strict=True))


@pytest.mark.parametrize("km", [20, 50])
def test_blocks_are_whole(km):
    photos = land()
    train, test = lh.split_photos(photos, by="block", block=km)
    assert not cells(train, km) & cells(test, km)
    assert len(train) + len(test) == len(photos)
    assert 0.15 < len(test) / len(photos) < 0.25
    by_class = test["habitat"].value_counts() / photos["habitat"].value_counts()
    assert by_class.between(0.15, 0.25).all()


@pytest.mark.parametrize("seed", range(5))
def test_blocks_that_differ_in_classes_are_drawn_so_that_both_sides_are_alike(seed):
    rng = np.random.default_rng(seed)
    photos = land(2_000, seed)
    stripe = (photos["x"] // 40_000 + photos["y"] // 60_000).map(lambda s: int(s) % 5)
    common = stripe.map(dict(enumerate(["artificial", "cropland", "grassland", "water", "woody"])))
    any_class = rng.choice(["artificial", "cropland", "grassland", "water", "woody"], len(photos))
    photos["habitat"] = common.where(rng.random(len(photos)) < 0.7, any_class)
    test = lh.split_photos(photos, by="block", block=25, seed=seed)[1]
    by_class = test["habitat"].value_counts() / photos["habitat"].value_counts()
    assert by_class.between(0.18, 0.225).all()


def test_blocks_are_50_km_where_nothing_is_said():
    photos = land()
    said, default = (lh.split_photos(photos, by="block", block=b)[1] for b in (50, None))
    assert list(said["path"]) == list(default["path"])


def test_blocks_are_the_same_in_any_order_and_in_degrees():
    photos = land()
    drawn = lh.split_photos(photos, by="block", seed=3)[1]
    shuffled = lh.split_photos(photos.sample(frac=1, random_state=1), by="block", seed=3)[1]
    assert set(drawn["path"]) == set(shuffled["path"])
    from pyproj import Transformer

    lon, lat = Transformer.from_crs(3035, 4326, always_xy=True).transform(photos["x"], photos["y"])
    in_degrees = photos.drop(columns=["x", "y"]).assign(lon=lon, lat=lat)
    assert list(lh.split_photos(in_degrees, by="block", seed=3)[1]["path"]) == list(drawn["path"])


def test_ids_of_the_survey_are_places():
    ids = [f"{4300 + 10 * i:04d}{3300 + 10 * j:04d}" for i in range(20) for j in range(20)]
    photos = lh.list_photos(
        pd.DataFrame(
            {"path": [f"{i}.jpg" for i in ids], "point_id": ids, "habitat": ["a", "b"] * 200}
        )
    )
    train, test = lh.split_photos(photos, by="block", block=50)
    assert not cells(train, 50) & cells(test, 50)
    assert len(test) in (75, 100)  # 3 or 4 of 16 blocks of 25 points


def test_photos_of_a_point_share_a_block_though_their_positions_differ():
    photos = land()
    photos["x"] += np.where(photos["direction"] == "N", 300.0, -300.0)
    train, test = lh.split_photos(photos, by="block", block=20)
    assert not points_of(train) & points_of(test)


@pytest.mark.parametrize("by", ["point", "block"])
def test_a_buffer_leaves_out_what_is_near_and_counts_it(by):
    photos = land()
    with pytest.warns(LucasMessage, match=r"(\d+) photos within 10 km .* left out") as told:
        train, test = lh.split_photos(photos, by=by, buffer=10)
    plain = lh.split_photos(photos, by=by)
    assert list(plain[1]["path"]) == list(test["path"])
    away = np.hypot(*(photos[c].to_numpy()[:, None] - test[c].to_numpy() for c in "xy")).min(axis=1)
    left_out = set(plain[0]["path"]) - set(train["path"])
    # Metres of a map are not exactly those of the ground.
    assert set(photos["path"][away > 10_050]) <= set(train["path"])
    assert not set(photos["path"][away < 9_950]) & set(train["path"])
    assert any(f"{len(left_out)} photos within 10 km" in str(w.message) for w in told)
    assert left_out


def test_a_buffer_holds_for_a_split_that_came():
    photos = land(split="train")
    photos["split"] = photos["split"].where(photos["x"] > 4_360_000, "test")
    with pytest.warns(LucasMessage, match="within 20 km"):
        train, test = lh.split_photos(photos, buffer=20)
    assert train["x"].min() > test["x"].max() + 10_000
    assert len(test) == (photos["split"] == "test").sum()
    with pytest.warns(LucasMessage, match="test_size and by are not used"):
        lh.split_photos(photos, test_size=0.3, by="block")


def test_a_buffer_that_leaves_nothing():
    with (
        pytest.warns(LucasMessage),
        pytest.raises(SplitError, match=r"Nothing is left to train on\. Give a smaller buffer"),
    ):
        lh.split_photos(land(), buffer=500)


def test_countries_are_whole_and_told():
    photos = land()
    photos["nuts0"] = pd.cut(photos["x"] - 4_300_000, [0, 30e3, 60e3, 120e3, 2e5],
                             labels=["DK", "SE", "DE", "PL"]).astype("str")  # fmt: skip
    with pytest.warns(LucasMessage, match="Tested on the countries (DK|SE)"):
        train, test = lh.split_photos(photos, by="country", test_size=0.15)
    assert not set(train["nuts0"]) & set(test["nuts0"])
    with pytest.warns(LucasMessage, match=r"The test has \d+% of the points, not 90%"):
        lh.split_photos(photos[photos["nuts0"].isin(["DK", "PL"])], by="country", test_size=0.9)


def test_points_of_test_years_are_not_trained_on():
    photos = make_photos({"cropland": 20, "woody": 20}, years=(2009, 2012, 2015), directions="P")
    # Half of the points were seen in 2015 only, the others in all years.
    photos = photos[(photos["year"] == 2015) | (photos["point_id"].str[-1] < "5")]
    with pytest.warns(LucasMessage) as told:
        train, test = lh.split_photos(photos, by="year", test_size=0.3)
    texts = " ".join(str(w.message) for w in told)
    assert "Tested on the years 20" in texts
    assert not set(train["year"]) & set(test["year"])
    assert not points_of(train) & points_of(test)
    n_left_out = len(photos) - len(train) - len(test)
    assert f"{n_left_out} photos of other years are left out" in texts
    assert n_left_out


def test_the_same_points_in_all_years_cannot_be_split_by_year():
    photos = make_photos({"cropland": 5, "woody": 5}, years=(2009, 2012))
    with (
        pytest.warns(LucasMessage),
        pytest.raises(SplitError, match="Nothing is left to train on"),
    ):
        lh.split_photos(photos, by="year")


def test_a_class_of_one_country_is_on_one_side_openly():
    photos = land(nuts0="DK")
    photos["nuts0"] = photos["nuts0"].where(photos["x"] > 4_350_000, "SE")
    photos.loc[(photos["nuts0"] == "SE") & (photos["point_id"].str[-1] == "1"), "habitat"] = "heath"
    with (
        pytest.warns(LucasMessage, match="Tested on"),
        pytest.warns(LucasWarning, match="The (training|test) photos lack the classes heath"),
    ):
        lh.split_photos(photos, by="country")


def test_photos_of_unknown_place_country_or_year_are_on_neither_side():
    photos = land(nuts0="DK")
    photos["nuts0"] = photos["nuts0"].where(photos["x"] > 4_350_000, "SE")
    photos.loc[photos["point_id"] == "woody3", ["x", "nuts0"]] = [np.nan, None]
    photos["year"] = photos["year"].where(photos["point_id"] != "woody3")
    for options, what in (
        ({"by": "block"}, "position"),
        ({"buffer": 1}, "position"),
        ({"by": "country"}, "country"),
    ):
        with pytest.warns(LucasWarning, match=f"2 of 800 photos have no {what}"):
            parts = lh.split_photos(photos, **options)
        assert "woody3" not in points_of(pd.concat(parts))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"by": "photo"}, "by must be one of 'point', 'block', 'country', 'year'; got 'photo'"),
        ({"by": "block", "block": 0}, "block must be a number, more than 0"),
        ({"block": 20}, "block=20 is the side of blocks, but by='point' has none"),
        ({"buffer": -1}, "buffer must be a number, at least 0"),
        ({"by": "block"}, "by='block' needs to know each photo's position"),
        ({"buffer": 5}, "buffer=5.0 needs to know each photo's position"),
        ({"by": "country"}, "by='country' needs to know each photo's country: the column nuts0"),
        ({"by": "year"}, "All photos are of one year"),
    ],
)
def test_what_cannot_be_kept_apart(options, message):
    with pytest.raises(InputError, match=message):
        lh.split_photos(make_photos({"cropland": 4, "woody": 4}), **options)


def test_time_by_block_grows_with_the_points_and_no_faster():
    few, many = land(1_000), land(8_000)

    def split(photos):
        with pytest.warns(LucasMessage):
            lh.split_photos(photos, by="block", block=10, buffer=1)

    assert growth(split, few, many) < 16


def test_classes_keep_the_order_of_a_categorical_column(photo_folder, tmp_path):
    """From the user's table to what covariates leave out."""
    wanted = ["woody", "grassland", "artificial", "cropland"]
    table = lh.list_photos(photo_folder)
    table["habitat"] = pd.Categorical(table["habitat"], categories=[*wanted, "water"])
    listed = lh.list_photos(table)
    assert listed["habitat"].cat.categories.tolist() == [*wanted, "water"]
    train, test = lh.split_photos(listed, test_size=0.34, seed=1)
    assert train["habitat"].cat.categories.tolist() == [*wanted, "water"]
    plain = lh.split_photos(lh.list_photos(photo_folder), test_size=0.34, seed=1)
    assert test["path"].tolist() == plain[1]["path"].tolist()  # the order draws nothing else
    quick = {"arch": "efficientnet_lite0", "epochs": 2, "progress": False}
    model = lh.train(train, **quick)
    assert model.classes == wanted
    lh.save_model(model, tmp_path / "model")
    predictions = lh.classify(test, tmp_path / "model", progress=False)
    assert predictions["predicted"].cat.categories.tolist() == wanted
    with (
        pytest.warns(LucasMessage, match=r"last class is left out \(p_cropland\)"),
        pytest.warns(LucasWarning, match="not calibrated"),
    ):
        env = lh.covariates(lh.vote(predictions))
    assert list(env) == ["p_woody", "p_grassland", "p_artificial"]
    folds = lh.cross_validate(
        table, folds=2, progress=False, arch="efficientnet_lite0", training={"epochs": 1}
    )
    assert folds["predicted"].cat.categories.tolist() == wanted
    assert lh.train(table.astype({"habitat": "str"}), **quick).classes == sorted(wanted)

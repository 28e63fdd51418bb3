"""Near-duplicates: copies are found, other photos are not, and splits keep them on one side."""

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw

import lucas_habitat as lh
from lucas_habitat import look_alikes
from lucas_habitat.blocks import tied_points
from lucas_habitat.errors import LucasMessage, LucasWarning

CASES = Path(__file__).parents[1] / "cases"
QUICK = {"arch": "efficientnet_lite0", "progress": False}


def shapes(seed, size=(320, 240)):
    """A picture of coloured ellipses and bars, unlike those of other seeds."""
    rng = np.random.default_rng(seed)
    photo = Image.new("RGB", size, tuple(int(c) for c in rng.integers(0, 256, 3)))
    pen = ImageDraw.Draw(photo)
    for _ in range(int(rng.integers(3, 25))):
        x, y, w, h = rng.integers(0, [size[0], size[1], 40 + 6 * (seed % 30), 160])
        draw = pen.ellipse if rng.random() < (seed % 5) / 4 else pen.rectangle
        draw((x, y, x + w, y + h), fill=tuple(int(c) for c in rng.integers(0, 256, 3)))
    return photo


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A photo each of 24 points."""
    folder = tmp_path_factory.mktemp("look-alikes")
    for i in range(24):
        target = folder / ("woody", "cropland")[i % 2] / f"4300{3600 + 2 * i}_north_2018.jpg"
        target.parent.mkdir(exist_ok=True)
        shapes(i).save(target, quality=92)
    return folder


def test_copies_are_found_and_other_photos_are_not(folder, tmp_path):
    photos = lh.list_photos(folder)
    originals = photos.iloc[[1, 7, 12]]
    copies = []
    for number, path in enumerate(originals["path"]):
        photo = Image.open(path)
        if number == 0:
            photo = photo.resize((280, 210))
        if number == 1:
            photo = photo.crop((4, 3, 316, 237))
        copies.append(tmp_path / f"copy {number}_north_2018.jpg")
        photo.save(copies[-1], quality=(85, 85, 60)[number])
    both = pd.concat(
        [
            photos,
            pd.DataFrame(
                {
                    "path": [str(c) for c in copies],
                    "point_id": ["copy 0", "copy 1", "copy 2"],
                    "habitat": originals["habitat"].array,
                }
            ),
        ]
    )
    with pytest.warns(LucasMessage, match="6 of .* photos have near-duplicates .* in 3 groups"):
        table = lh.near_duplicates(both, **QUICK)
    groups = table["near_duplicates"]
    assert list(groups[-3:]) == list(originals["path"])
    assert groups.notna().sum() == 6
    assert list(groups[groups == table["path"]]) == list(originals["path"])
    assert table["duplicate_distance"].notna().equals(groups.notna())
    assert list(table["path"]) == [*photos["path"], *(str(c) for c in copies)]


# Ellipses and bars teach nothing.
@pytest.mark.filterwarnings("ignore:The model is not calibrated")
def test_copies_among_validation_photos_given_by_hand_are_told(folder, tmp_path):
    photos = lh.list_photos(folder)
    copy = tmp_path / "another point_north_2018.jpg"
    Image.open(photos["path"].iloc[3]).save(copy, quality=80)
    is_held_out = photos.index.isin(range(10, 14))  # of both classes
    training, held_out = photos[~is_held_out], photos[is_held_out].copy()
    held_out.loc[held_out.index[-1], ["path", "point_id"]] = [str(copy), "another"]
    with pytest.warns(
        LucasWarning, match=r"1 of 4 validation photos are near-duplicates .*: another"
    ):
        lh.train(training, validation=held_out, epochs=1, **QUICK)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        lh.train(training, validation=photos[is_held_out], epochs=1, **QUICK)
    assert not any("near-duplicates" in str(w.message) for w in caught)


def test_of_held_out_photos_the_same_are_near_duplicates_as_of_all():
    rng = np.random.default_rng(4)
    features = rng.gamma(1.0, size=(600, 40)).astype(np.float32)
    # Copies of ever less likeness, of which some are near enough and some not.
    for i in range(60):
        noise = rng.normal(0, 0.02 * i, 40)
        features[i] = np.maximum(features[200 + i] + noise, 0)
    features[60:70] = features[70:80]  # within the held-out photos: no concern of training
    points = np.arange(600)
    held_out, training = points[:100], points[100:]
    pairs = look_alikes._pairs(features, points)
    across = (pairs.one < 100) != (pairs.other < 100)
    expected = set(np.minimum(pairs.one, pairs.other)[across].tolist())
    is_near = look_alikes.near_training(features, points, training, held_out)
    assert set(np.flatnonzero(is_near).tolist()) == expected
    assert 10 < len(expected) < 60


def test_photos_of_one_point_are_not_compared(folder):
    photos = lh.list_photos(folder)
    twice = pd.concat([photos, photos.head(1)])
    assert lh.near_duplicates(twice, **QUICK)["near_duplicates"].notna().sum() == 0


def test_a_photo_that_cannot_be_read_has_none(folder, tmp_path):
    photos = lh.list_photos(folder)
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no photo")
    table = pd.concat([photos, pd.DataFrame({"path": [str(broken)], "habitat": ["woody"]})])
    with pytest.warns(LucasWarning, match=r"1 of .* photos could not be compared: .*broken\.jpg"):
        result = lh.near_duplicates(table, **QUICK)
    assert len(result) == len(photos) + 1
    assert result["near_duplicates"].isna().all()


def features_with(n_copies, rng, n=250):
    """Features of n photos, all unlike, and of copies of the first."""
    values = rng.random((n, 64)).astype(np.float32) ** 4
    copies = values[:1] + rng.normal(0, 0.05, (n_copies, 64)).astype(np.float32)
    return np.concatenate([values, copies])


@pytest.mark.parametrize("n_copies", [1, 3, 9])
def test_groups_of_any_number_of_copies(n_copies):
    features = features_with(n_copies, np.random.default_rng(1))
    pairs = look_alikes._pairs(features, np.arange(len(features)))
    table = pd.DataFrame({"path": [f"{i:03d}" for i in range(len(features))]})
    result = look_alikes._with_groups(table, np.arange(len(features)), pairs)
    assert (result["near_duplicates"] == "000").sum() == n_copies + 1
    assert result["near_duplicates"].notna().sum() == n_copies + 1


def test_pairs_are_those_of_the_plain_sum():
    rng = np.random.default_rng(2)
    features = features_with(3, rng, 60)
    points = rng.integers(0, 30, len(features))
    near = set()
    unit = features / np.linalg.norm(features, axis=1)[:, None]
    usual = []
    for i in range(len(unit)):
        others = sorted(1 - unit[i] @ unit[j] for j in range(len(unit)) if points[j] != points[i])
        usual.append(others[2])  # of 63 rows
    for i in range(len(unit)):
        for j in range(len(unit)):
            distance = 1 - unit[i] @ unit[j]
            limit = max(0.4 * np.sqrt(usual[i] * usual[j]), 0.02)
            if points[i] != points[j] and distance <= limit:
                near.add((i, j))
    pairs = look_alikes._pairs(features, points)
    assert near
    assert set(zip(pairs.one.tolist(), pairs.other.tolist(), strict=True)) == near


@pytest.mark.parametrize("n", [0, 1, 2])
def test_hardly_any_photos(n):
    features = np.eye(3, dtype=np.float32)[:n]
    assert len(look_alikes._pairs(features, np.arange(n)).one) == 0


# What splits make of them


def tied(n=40):
    """Points of two photos in two classes and, in 10 km steps, places; every fourth is tied to the next."""
    points = [f"p{i:02d}" for i in range(n)]
    table = pd.DataFrame(
        {
            "path": [f"{p}{d}.jpg" for p in points for d in "NS"],
            "point_id": np.repeat(points, 2),
            "year": np.repeat([2012 + 3 * (i % 3) for i in range(n)], 2),
            "habitat": np.repeat([("woody", "cropland")[(i // 2) % 2] for i in range(n)], 2),
            "nuts0": np.repeat([f"C{i % 5}" for i in range(n)], 2),
            "x": np.repeat([4_000_000 + 10_000 * i for i in range(n)], 2),
            "y": 3_000_000,
        }
    )
    group = [f"p{i - i % 4:02d}N.jpg" if i % 4 < 2 else None for i in range(n)]
    names = [group[i // 2] if i % 2 == 0 else None for i in range(2 * n)]
    return lh.list_photos(table.assign(near_duplicates=pd.Series(names, dtype="str")))


def pairs_on_both_sides(train, test):
    return set(train["near_duplicates"].dropna()) & set(test["near_duplicates"].dropna())


def test_tied_points_bear_one_name():
    photos = tied(8)
    assert list(tied_points(photos)[::2]) == [
        "p00", "p00", "p02", "p03", "p04", "p04", "p06", "p07",
    ]  # fmt: skip
    # A point with photos in two groups ties both.
    photos.loc[3, "near_duplicates"] = "p04N.jpg"
    assert list(tied_points(photos)[::2]) == [
        "p00", "p00", "p02", "p03", "p00", "p00", "p06", "p07",
    ]  # fmt: skip
    assert tied_points(photos.drop(columns="near_duplicates")).equals(photos["point_id"])


@pytest.mark.filterwarnings("ignore::lucas_habitat.errors.LucasMessage")
@pytest.mark.parametrize("by", ["point", "block", "country", "year"])
def test_splits_keep_near_duplicates_apart(by):
    photos = tied()
    for seed in range(5):
        train, test = lh.split_photos(photos, by=by, seed=seed)
        assert len(test)
        assert not pairs_on_both_sides(train, test)
        if by == "point":
            assert len(train) + len(test) == len(photos)
    without = [
        pairs_on_both_sides(*lh.split_photos(photos.assign(near_duplicates=None), by=by, seed=seed))
        for seed in range(5)
    ]
    assert not any(without)  # no column, no names
    table = photos.drop(columns="near_duplicates")
    names = photos["near_duplicates"]
    parts = [lh.split_photos(table, by=by, seed=seed) for seed in range(5)]
    names_of = dict(zip(photos["path"], names, strict=True))
    assert any(
        set(train["path"].map(names_of).dropna()) & set(test["path"].map(names_of).dropna())
        for train, test in parts
    )


def test_what_is_left_out_is_told():
    with pytest.warns(LucasMessage, match="left out of training, because photos of their points"):
        lh.split_photos(tied(), by="country")


def test_validation_points_are_not_tied_to_those_trained_on():
    from lucas_habitat.splits import draw_test_points

    photos = tied()
    is_drawn = draw_test_points(photos, 0.3, 1)
    assert not pairs_on_both_sides(photos[~is_drawn], photos[is_drawn])


@pytest.mark.filterwarnings("ignore::lucas_habitat.errors.LucasMessage")
def test_folds_keep_near_duplicates_together():
    from lucas_habitat.blocks import check_apart, folds_of, place_of_points, training_of

    photos = tied()
    for by in ("point", "block", "country", "year"):
        fold = folds_of(photos, check_apart(by, None, None), 3, 1)
        for number in np.unique(fold):
            chosen = training_of(photos, fold == number, 0, place_of_points(photos))
            train, test = photos[chosen.is_training], photos[fold == number]
            assert not pairs_on_both_sides(train, test)
            assert (chosen.n_tied == 0) == (by == "point")


def test_a_split_that_came_with_near_duplicates_on_both_sides_is_warned_of():
    photos = tied()
    photos["split"] = np.where(photos["point_id"].str[-1].isin(["0", "5"]), "test", "train")
    with pytest.warns(LucasWarning, match="8 test photos are of points that have near-duplicates"):
        lh.split_photos(photos)


# What a check says of them


def finding(train, test, **options):
    table = lh.check_split(train, test, **options).table
    return table.set_index("question").loc["near-duplicates"]


def test_a_check_names_those_that_straddle(folder, tmp_path):
    photos = lh.list_photos(folder)
    train, test = photos.iloc[::2], photos.iloc[1::2]
    row = finding(train, test)
    assert row["verdict"] == "unknown"
    assert "were not looked for" in row["finding"]
    assert finding(train, test, **QUICK)["verdict"] == "fine"
    Image.open(train["path"].iloc[3]).save(tmp_path / "again_north_2018.jpg", quality=50)
    copy = {"path": [str(tmp_path / "again_north_2018.jpg")], "habitat": ["woody"]}
    row = finding(train, pd.concat([test, pd.DataFrame(copy)]), **QUICK)
    assert (row["verdict"], row["n_test"]) == ("leak", 1)
    name = train["path"].iloc[3].rsplit("/", 1)[-1]
    assert f"(again_north_2018.jpg is like {name})" in row["finding"]


def test_a_check_takes_the_column_where_there_is_one():
    photos = tied()
    row = finding(photos[photos["point_id"] != "p01"], photos[photos["point_id"] == "p01"])
    assert (row["verdict"], row["n_test"]) == ("leak", 1)
    assert "1 of 2 test photos" in row["finding"]
    assert "p01N.jpg is like p00N.jpg" in row["finding"]
    assert finding(photos[:4], photos[4:])["verdict"] == "fine"


def test_what_straddles_is_what_both_languages_must_say():
    case = json.loads((CASES / "splits.json").read_text(encoding="utf-8"))["near_duplicates"]
    photos = pd.DataFrame(
        {
            "path": [f"{p}.jpg" for p in case["point"]],
            "point_id": case["point"],
            "habitat": case["habitat"],
            "near_duplicates": case["group"],
            "split": case["split"],
        }
    )
    table = lh.check_split(photos).table.set_index("question")
    row = table.loc["near-duplicates"]
    assert row["n_test"] == case["n_test"]
    assert case["example"] in row["finding"]


def test_few_near_duplicates_among_many_photos_limit_a_test():
    many = tied(804)
    is_test = many["point_id"].ne("p00")
    row = finding(many[~is_test], many[is_test])
    assert (row["verdict"], row["n_test"]) == ("limit", 1)
    assert "may be other places" in row["finding"]

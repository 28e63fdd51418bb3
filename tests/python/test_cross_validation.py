"""Cross-validation: no model saw the points it is tested on, and its predictions go on as they are."""

import functools
import warnings

import pytest
from conftest import write_photos

import lucas_habitat as lh
from lucas_habitat import cross_validation
from lucas_habitat.errors import InputError, LucasMessage, LucasWarning, SplitError
from lucas_habitat.photos import groups_of

QUICK = {"arch": "efficientnet_lite0", "training": {"epochs": 2}, "progress": False}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = write_photos(
        tmp_path_factory.mktemp("folds"), n_points=6, directions=("north", "south")
    )
    return lh.list_photos(folder)


@pytest.fixture
def trainings(monkeypatch):
    """What each model was trained on; training itself is real."""
    tables = []

    @functools.wraps(lh.train)
    def spy(table, **arguments):
        tables.append((table, arguments))
        return lh.train(table, **arguments)

    monkeypatch.setattr(cross_validation, "train", spy)
    return tables


def test_every_photo_is_classified_by_a_model_that_never_saw_its_point(photos, trainings):
    predictions = lh.cross_validate(photos, folds=3, **QUICK)
    assert list(predictions["path"]) == list(photos["path"])
    assert list(predictions["habitat"]) == list(photos["habitat"])
    assert set(predictions["split"]) == {"test"}
    assert sorted(predictions["fold"].unique()) == [1, 2, 3]
    assert predictions.groupby("point_id")["fold"].nunique().max() == 1
    for number, (table, arguments) in enumerate(trainings, 1):
        tested = predictions[predictions["fold"] == number]
        assert not set(groups_of(table)) & set(groups_of(tested))
        assert len(table) + len(tested) == len(photos)
        assert arguments["epochs"] == 2
    # Classes have equal shares of each fold: 2 of 6 points of each.
    assert predictions.groupby(["fold", "habitat"])["point_id"].nunique().eq(2).all()
    assert predictions["km_to_training"].between(1.9, 10.1).all()
    points = lh.vote(predictions)
    assert points["km_to_training"].notna().all()
    folds = predictions.groupby("point_id")["fold"].first()
    assert points["fold"].tolist() == folds[points["point_id"]].tolist()
    torn = predictions.assign(fold=range(len(predictions)))
    assert lh.vote(torn)["fold"].isna().all()
    assert not any("training split" in note for note in lh.evaluate(points, n_boot=0).notes)
    assert lh.error_by_distance(points)["n"].sum() == 24


def test_photos_that_cannot_be_read_are_told_once(photos, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no photo")
    holding = photos.copy()
    holding.loc[[0, 13], "path"] = str(broken)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        predictions = lh.cross_validate(holding, folds=3, **QUICK)
    assert (predictions["status"] == "not a photo").sum() == 2
    (told,) = [w for w in caught if "refused" in str(w.message)]
    assert issubclass(told.category, LucasWarning)
    assert str(told.message).startswith(
        f"2 of {len(photos)} photos were refused, for training and tests: broken.jpg (not a photo)"
    )


# So few points that a fold can lose a class to the buffer, which is told.
@pytest.mark.filterwarnings("ignore:The model of fold")
def test_a_buffer_keeps_training_away(photos, trainings):
    with pytest.warns(LucasMessage, match="photos are neither tested nor trained on"):
        predictions = lh.cross_validate(photos, folds=2, buffer=3, **QUICK)
    assert predictions["km_to_training"].min() >= 3
    assert all(len(table) < 24 for table, _ in trainings)


def test_a_class_that_a_fold_lacks_is_told(photos):
    country = photos["habitat"].map({"woody": "SE"}).fillna("DK")
    # The first points of the other classes are Swedish, too.
    country[photos["point_id"].str.endswith(("3600", "3602"))] = "SE"
    with pytest.warns(LucasWarning, match=r"The model of fold \d was trained without woody"):
        predictions = lh.cross_validate(
            photos.assign(nuts0=country), by="country", folds=2, **QUICK
        )
    p = predictions.filter(like="p_")
    assert p.sum(axis=1).to_numpy() == pytest.approx(1)
    assert (predictions.loc[predictions["nuts0"] == "SE", "p_woody"] == 0).all()
    assert list(predictions["predicted"].cat.categories) == sorted(photos["habitat"].unique())


def test_what_is_refused_before_anything_is_trained(photos, trainings):
    with pytest.raises(InputError, match="folds must be a whole number, at least 2"):
        lh.cross_validate(photos, folds=1, **QUICK)
    with pytest.raises(InputError, match="training has validation; it takes further arguments of"):
        lh.cross_validate(photos, training={"validation": photos})
    with pytest.raises(InputError, match="folds=20 are more than the points of any class"):
        lh.cross_validate(photos, folds=20, **QUICK)
    with pytest.raises(SplitError, match="All photos are of one year"):
        lh.cross_validate(photos, by="year", **QUICK)
    assert not trainings

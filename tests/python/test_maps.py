"""Accuracy of maps: published numbers, our own errors taken out, and nothing dropped unsaid."""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
from conftest import peak_memory
from pyproj import Transformer

from lucas_habitat import evaluate, validate_map
from lucas_habitat._base.files import write_json
from lucas_habitat._base.tables import write_table
from lucas_habitat.errors import DependencyError, InputError, LucasMessage, LucasWarning
from lucas_habitat.maps.accuracy import judge_map

CASES = json.loads((Path(__file__).parents[1] / "cases" / "map.json").read_text(encoding="utf-8"))
CLASSES = ["artificial", "cropland", "grassland", "woody"]
LEGEND = dict(enumerate(CLASSES, 1))
LEFT, TOP = 4_000_000, 3_000_000


def write_map(path, pixels, crs="EPSG:3035", left=LEFT, top=TOP, size=1000.0, **options):
    pixels = np.atleast_2d(pixels)
    height, width = pixels.shape
    transform = rasterio.transform.from_origin(left, top, size, size)
    with rasterio.open(path, "w", driver="GTiff", height=height, width=width, count=1,
                       dtype=pixels.dtype, crs=crs, transform=transform, **options) as file:  # fmt: skip
        file.write(pixels, 1)
    return path


def points_on(columns, labels, **more):
    """Points in the middle of pixels of the first row."""
    n = len(columns)
    return pd.DataFrame(
        {
            "point_id": [f"p{i}" for i in range(n)],
            "year": 2018,
            "n_photos": 5,
            "predicted": labels,
            "x": LEFT + 1000.0 * np.asarray(columns) + 500,
            "y": TOP - 500.0,
        }
        | more
    )


def checked(predicted, reference):
    """Test points as vote() gives them."""
    ids = [f"t{i}" for i in range(len(predicted))]
    return pd.DataFrame(
        {"point_id": ids, "n_photos": 5, "predicted": predicted, "habitat": reference}
    )


@pytest.fixture(scope="module")
def simple(tmp_path_factory):
    """Four pixels, one of each class."""
    return write_map(tmp_path_factory.mktemp("kort på ø") / "map.tif", np.uint8([[1, 2, 3, 4]]))


AREAS = pd.DataFrame({"class": CLASSES, "area": [10, 40, 30, 20]})


# --- numbers both languages share -------------------------------------------------------------


def case_points(case):
    rows = np.repeat(np.arange(len(case["value"])), case["times"])
    points = points_on(np.array(case["value"])[rows] - 1, np.array(case["reference"])[rows])
    if case["weight"]:
        points["weight"] = np.array(case["weight"], dtype=float)[rows]
    return points


def case_confusion(case):
    if case["confusion"] is None:
        return None
    predicted, reference = np.meshgrid(case["classes"], case["classes"], indexing="ij")
    times = np.ravel(case["confusion"])
    return checked(np.repeat(predicted.ravel(), times), np.repeat(reference.ravel(), times))


@pytest.mark.parametrize("case", CASES["cases"], ids=lambda c: c["name"])
def test_cases(case, tmp_path):
    values = np.uint8([case["legend"]["value"]])
    found = validate_map(
        write_map(tmp_path / "map.tif", values),
        case_points(case),
        pd.DataFrame(case["legend"]),
        confusion=case_confusion(case),
        weights="weight" if case["weight"] else None,
        areas=pd.DataFrame(case["areas"]),
        n_boot=0,
    )
    assert found.confusion.index.tolist() == found.confusion.columns.tolist() == case["classes"]
    assert found.confusion.to_numpy().tolist() == case["counts"]
    assert (found.confusion.index.name, found.confusion.columns.name) == ("map", "reference")
    assert found.judged == 1
    assert (found.corrected is None) == (case["corrected"] is None)
    for name in ("as_if_true", "corrected"):
        for number, wanted in (case[name] or {}).items():
            estimate = getattr(found, name)
            got = getattr(estimate, number, None)
            got = estimate.per_class[number].to_numpy() if got is None else got
            assert got == pytest.approx(wanted, rel=0, abs=CASES["tolerance"]), (name, number)


def test_olofsson_2014_as_printed(tmp_path):
    case = CASES["cases"][0]
    found = validate_map(
        write_map(tmp_path / "map.tif", np.uint8([[1, 2, 3, 4]])),
        case_points(case),
        pd.DataFrame(case["legend"]),
        areas=pd.DataFrame(case["areas"]),
    ).as_if_true
    table = found.per_class
    assert found.proportions.to_numpy()[[0, 1, 2, 3], [0, 1, 2, 3]].round(4).tolist() == [
        0.0176, 0.0110, 0.2967, 0.6212]  # fmt: skip
    assert table["users_accuracy"].round(2).tolist() == [0.88, 0.73, 0.93, 0.96]
    assert (1.96 * table["users_se"]).round(2).tolist() == [0.07, 0.10, 0.04, 0.02]
    assert table["producers_accuracy"].round(2).tolist() == [0.75, 0.85, 0.93, 0.96]
    hectares = 900_000 * table[["area_estimated", "area_se"]]
    assert hectares["area_estimated"].round().tolist() == [21158, 11686, 285770, 581386]
    assert (1.96 * hectares["area_se"]).round().tolist() == [6158, 3756, 15510, 16282]
    assert (round(found.overall_accuracy, 2), round(1.96 * found.overall_accuracy_se, 2)) == (
        0.95, 0.02)  # fmt: skip


def test_stehman_2014_weights_of_strata_other_than_map_classes(simple):
    """The numerical example there: shares of area 0.35 and 0.20, accuracy 0.63, B 0.574, 0.794."""
    strata = np.repeat([40000, 30000, 20000, 10000], 10) / 10
    on_map = np.array(list("AAAAAAABBB" + "A" + "B" * 11 + "C" * 6 + "BB" + "D" * 10))
    truth = list("AAAAACBABC" + "ABBBBBAABB" + "CCCCCDDBBA" + "DDDDDDDCCB")
    legend = dict(enumerate("ABCD", 1))
    points = points_on([" ABCD".index(c) - 1 for c in on_map], truth, weight=strata)
    areas = pd.DataFrame({"class": on_map, "area": strata}).groupby("class", as_index=False).sum()
    found = validate_map(simple, points, legend, weights="weight", areas=areas).as_if_true
    table = found.per_class.set_index("class")
    assert found.overall_accuracy == pytest.approx(0.63)
    assert table["area_estimated"][["A", "C"]].tolist() == pytest.approx([0.35, 0.20])
    assert table.loc["B", "users_accuracy"] == pytest.approx(0.574, abs=5e-4)
    assert table.loc["B", "producers_accuracy"] == pytest.approx(0.794, abs=5e-4)


# --- the classifier's own errors --------------------------------------------------------------


def noisy(rng, classes, accuracy):
    """Each class as it is with probability accuracy, else another; neighbours are likelier."""
    k = len(CLASSES)
    wrong = np.array([[0, 3, 1, 1], [1, 0, 3, 1], [1, 3, 0, 2], [1, 1, 3, 0]]) / [
        [5],
        [5],
        [6],
        [5],
    ]
    chance = accuracy * np.eye(k) + (1 - accuracy) * wrong
    return (rng.random((len(classes), 1)) > chance[classes].cumsum(axis=1)).sum(axis=1), chance


def simulated(seed, accuracy, n_test=300):
    rng = np.random.default_rng(seed)
    shares = AREAS["area"] / AREAS["area"].sum()
    on_map = rng.choice(4, 1000, p=shares)
    truth, chance = noisy(rng, on_map, accuracy)
    called, _ = noisy(rng, truth, 0.8)
    test = rng.choice(4, n_test)
    said, _ = noisy(rng, test, 0.8)
    names = np.array(CLASSES)
    found = judge_map(  # the same map each time, so it is not read again
        points_on(on_map, pd.Categorical(names[called], categories=CLASSES)),
        pd.DataFrame({"located": True, "inside": True, "value": on_map + 1.0}),
        LEGEND,
        AREAS,
        reference="predicted",
        confusion=checked(names[said], names[test]),
        weights=None,
        n_boot=300,
        level=0.95,
        seed=1,
    )
    return found, shares.to_numpy() @ chance


def covers(interval, truth):
    return interval[0] <= truth <= interval[1]


def test_an_error_of_ours_is_not_charged_to_the_map():
    """Map 85 % right, classifier 80 %, known from 300 points; 1,000 points, 200 repetitions."""
    runs = [simulated(seed, 0.85) for seed in range(200)]
    naive = np.array([f.as_if_true.overall_accuracy for f, _ in runs])
    ours = np.array([f.corrected.overall_accuracy for f, _ in runs])
    assert naive.mean() == pytest.approx(0.69, abs=0.02)  # as far off as that
    assert ours.mean() == pytest.approx(0.85, abs=0.015)
    hit = np.mean([covers(f.corrected.overall_accuracy_interval, 0.85) for f, _ in runs])
    # 95 % plus and minus three standard errors of 200 repetitions
    assert 0.9 <= hit <= 0.995
    assert np.mean([covers(f.as_if_true.overall_accuracy_interval, 0.85) for f, _ in runs]) < 0.01
    # The spread of the estimates is the standard error that is told.
    told = np.median([f.corrected.overall_accuracy_se for f, _ in runs])
    assert told == pytest.approx(ours.std(), rel=0.25)
    areas = np.mean(
        [
            (f.corrected.per_class["area_low"] <= truth)
            & (truth <= f.corrected.per_class["area_high"])
            for f, truth in runs
        ]
    )
    assert 0.9 <= areas <= 0.99
    wider = [np.diff(f.corrected.overall_accuracy_interval)[0] for f, _ in runs]
    assert np.median(wider) > 1.5 * np.median(
        [np.diff(f.as_if_true.overall_accuracy_interval)[0] for f, _ in runs]
    )


def test_a_perfect_map_stays_perfect():
    runs = [simulated(seed, 1.0)[0] for seed in range(60)]
    assert np.mean([f.as_if_true.overall_accuracy for f in runs]) == pytest.approx(0.8, abs=0.01)
    assert np.mean([f.corrected.overall_accuracy for f in runs]) > 0.97
    assert np.mean([covers(f.corrected.overall_accuracy_interval, 1.0) for f in runs]) > 0.9


def test_fewer_test_points_make_wider_intervals():
    few, many = (simulated(1, 0.85, n_test=n)[0].corrected for n in (100, 10_000))
    assert few.overall_accuracy_se > 1.5 * many.overall_accuracy_se


def some_points(n=400, accuracy=0.8):
    rng = np.random.default_rng(3)
    on_map = rng.choice(4, n)
    return points_on(on_map, np.array(CLASSES)[noisy(rng, on_map, accuracy)[0]])


def test_a_perfect_classifier_changes_nothing(simple):
    perfect = checked(CLASSES * 25, CLASSES * 25)
    found = validate_map(simple, some_points(), LEGEND, confusion=perfect)
    plain, corrected = found.as_if_true, found.corrected
    assert corrected.overall_accuracy == plain.overall_accuracy
    assert corrected.proportions.equals(plain.proportions)
    assert corrected.overall_accuracy_se == pytest.approx(plain.overall_accuracy_se, rel=0.1)


def test_what_evaluate_returned_wrote_and_was_given_are_the_same(simple, tmp_path):
    points, rng = some_points(), np.random.default_rng(1)
    truth = rng.choice(4, 200)
    table = checked(np.array(CLASSES)[noisy(rng, truth, 0.8)[0]], np.array(CLASSES)[truth])
    evaluation = evaluate(table)
    json_file = write_json(evaluation.as_dict(), tmp_path / "evaluation.json")
    csv = write_table(table, tmp_path / "points.csv")
    first, *others = (
        validate_map(simple, points, LEGEND, confusion=c).as_dict()
        for c in (evaluation, table, json_file, csv, evaluation.as_dict())
    )
    assert all(other == first for other in others)
    assert first["corrected"]["overall_accuracy"] != first["as_if_true"]["overall_accuracy"]


def test_an_accuracy_of_a_map_is_equal_to_itself_only(simple):
    one, other = (validate_map(simple, some_points(), LEGEND) for _ in range(2))
    assert one == one
    assert one.as_if_true == one.as_if_true
    assert one != other
    assert one.as_if_true != other.as_if_true
    assert one.as_dict() == other.as_dict()


def confused(simple, predicted, reference, **options):
    return validate_map(
        simple, some_points(), LEGEND, confusion=checked(predicted, reference), **options
    )


def test_nothing_left_of_a_class_is_undefined_with_a_note(simple):
    # A tenth of cropland is taken for woody: all the woody there is.
    points = points_on([0] * 20 + [1] * 20 + [2] * 20, ["artificial"] * 20 + ["cropland"] * 18 +
                       ["woody"] * 2 + ["grassland"] * 20)  # fmt: skip
    tests = checked([*CLASSES * 20, *["cropland"] * 80, *["woody"] * 20],
                    [*CLASSES * 20, *["cropland"] * 100])  # fmt: skip
    with pytest.warns(LucasWarning, match="woody, where no point lies"):
        found = validate_map(simple, points, LEGEND, confusion=tests)
    assert found.corrected.overall_accuracy == 1
    assert any("more often than the classifier was right" in n for n in found.notes)
    row = found.corrected.per_class.set_index("class").loc["woody"]
    assert row["area_estimated"] == 0
    assert np.isnan(row["producers_accuracy"])
    assert any(
        n.startswith("with the errors taken out nothing is left of woody") for n in found.notes
    )


def test_points_the_classifier_learnt_from_are_noted(simple):
    points = some_points().assign(split=["train"] * 30 + ["test"] * 370)
    assert any(
        n.startswith("30 points are of the training split")
        for n in validate_map(simple, points, LEGEND).notes
    )


def test_field_classes_have_no_errors_of_ours(simple):
    points = some_points().assign(habitat="woody")
    with pytest.raises(InputError, match="reference='habitat' is not what it said"):
        validate_map(simple, points, LEGEND, reference="habitat", confusion=points)


def test_a_class_never_right_is_refused(simple):
    with pytest.raises(InputError, match=r"none of the test points right that are woody"):
        confused(simple, [*CLASSES[:3], "grassland"] * 9, CLASSES * 9)


def test_a_class_without_test_points_is_refused(simple):
    with pytest.raises(InputError, match=r"fewer than two test points that are woody"):
        confused(simple, [*CLASSES[:3] * 9, "woody"], [*CLASSES[:3] * 9, "woody"])


def test_classes_that_are_not_told_apart_are_refused(simple):
    guess = ["artificial", "cropland", "grassland", "grassland", "woody", "woody"]
    truth = ["artificial", "cropland", "grassland", "woody", "grassland", "woody"]
    with pytest.raises(InputError, match=r"cannot be inverted"):
        confused(simple, guess * 5, truth * 5)


def test_photos_are_no_points(simple):
    photos = checked(CLASSES * 10, CLASSES * 10).drop(columns="n_photos")
    photos["point_id"] = [f"t{i // 5}" for i in range(40)]
    with pytest.raises(InputError, match=r"confusion is of 40 photos of 8 points"):
        validate_map(simple, some_points(), LEGEND, confusion=photos)


def test_classes_of_the_test_points_alone_are_noted(simple):
    found = confused(simple, [*CLASSES * 9, "lake", "woody"], [*CLASSES * 9, "woody", "bog"])
    assert found.confusion.columns.tolist() == CLASSES
    assert "2 test points of classes that do not occur here are not used" in found.notes
    assert any("fewer than 10 test points are" in note for note in found.notes)


@pytest.mark.parametrize(
    ("text", "message"),
    [("{}", "confusion must be what evaluate"), ("not json", "Cannot read the confusion")],
)
def test_another_json_is_refused(simple, tmp_path, text, message):
    (tmp_path / "other.json").write_text(text)
    with pytest.raises(InputError, match=message):
        validate_map(simple, some_points(), LEGEND, confusion=tmp_path / "other.json")


# --- weights and few points -------------------------------------------------------------------


def test_equal_weights_of_any_size_change_nothing(simple):
    points = some_points().assign(w=7.0)
    assert repr(validate_map(simple, points, LEGEND, weights="w")) == repr(
        validate_map(simple, points, LEGEND)
    )


def test_weights_undo_an_unequal_sample(simple):
    """Wrong points are three times as likely to be drawn: without weights the map looks bad."""
    everybody = some_points(4000)
    rng = np.random.default_rng(1)
    wrong = (
        np.array(CLASSES)[((everybody["x"] - LEFT) // 1000).astype(int)] != everybody["predicted"]
    )
    drawn = everybody[rng.random(4000) < np.where(wrong, 0.9, 0.3)]
    drawn = drawn.assign(w=np.where(wrong[drawn.index], 1 / 0.9, 1 / 0.3))
    whole = validate_map(simple, everybody, LEGEND).as_if_true
    fair = validate_map(simple, drawn, LEGEND, weights="w").as_if_true
    unfair = validate_map(simple, drawn, LEGEND).as_if_true
    assert abs(fair.overall_accuracy - whole.overall_accuracy) < 3 * fair.overall_accuracy_se
    assert whole.overall_accuracy - unfair.overall_accuracy > 10 * unfair.overall_accuracy_se


@pytest.mark.parametrize("weight", [0.0, -1.0, np.nan, "heavy"])
def test_strange_weights_are_refused(simple, weight):
    points = some_points(8).assign(w=[weight] + [1] * 7)
    with pytest.raises(InputError, match=r"The weights w must be numbers of more than 0; 1 of 8"):
        validate_map(simple, points, LEGEND, weights="w")


def test_one_point_on_a_map_class_leaves_errors_undefined(simple):
    points = points_on([0, 0, 0, 1, 1, 2, 2, 3], [*["artificial"] * 3, *["cropland"] * 2,
                       "grassland", "cropland", "woody"])  # fmt: skip
    found = validate_map(simple, points, LEGEND, confusion=checked(CLASSES * 20, CLASSES * 20))
    for estimate in (found.as_if_true, found.corrected):
        assert estimate.overall_accuracy == pytest.approx(7 / 8)
        assert np.isnan([estimate.overall_accuracy_se, *estimate.overall_accuracy_interval]).all()
        table = estimate.per_class.set_index("class")
        assert table["users_se"].isna().tolist() == [False, False, False, True]
        assert table[["producers_se", "area_se", "area_low"]].isna().all(axis=None)
    assert any(n.startswith("only one point lies on map class woody") for n in found.notes)
    assert any("all points on map class artificial, cropland are" in n for n in found.notes)
    assert "undefined" in repr(found)


def test_a_map_class_without_points_is_not_judged(simple):
    points = points_on([0, 0, 1, 1, 2, 2], np.repeat(CLASSES[:3], 2)).assign(
        predicted=lambda t: pd.Categorical(t["predicted"], categories=CLASSES)
    )
    with pytest.warns(LucasWarning, match=r"20% of the map's area is woody, where no point lies"):
        found = validate_map(simple, points, LEGEND, areas=AREAS)
    assert found.judged == pytest.approx(0.8)
    assert found.as_if_true.overall_accuracy == 1
    table = found.per_class.set_index("class")
    assert np.isnan(table.loc["woody", ["users_accuracy", "area_mapped"]].to_list()).all()
    assert table["area_mapped"].sum() == pytest.approx(1)


def test_a_class_that_the_map_lacks_can_only_be_errors(simple):
    points = points_on([1, 1, 1, 1, 2, 2], ["cropland"] * 3 + ["woody"] + ["grassland"] * 2)
    legend = {1: "cropland", 2: "cropland", 3: "grassland", 4: "grassland"}
    found = validate_map(simple, points, legend)
    row = found.per_class.set_index("class").loc["woody"]
    assert (row["producers_accuracy"], row["area_mapped"]) == (0, 0)
    assert row["area_estimated"] == pytest.approx(1 / 8)
    assert np.isnan(row["users_accuracy"])
    assert any(n.startswith("the map has no woody") for n in found.notes)


# --- what is left out, and why ----------------------------------------------------------------


def test_every_row_that_is_left_out_has_a_reason(tmp_path):
    pixels = np.uint8([[1, 2, 0, 9, 5, 1]])
    raster = write_map(tmp_path / "map.tif", pixels, nodata=0)
    points = points_on(
        [0, 1, 2, 3, 4, 0, 40, 0, 0, 1, 0, 1],
        ["woody", "crop", "woody", "woody", "woody", None, "woody", "woody", "woody", "crop",
         "woody", "crop"],
    )  # fmt: skip
    points.loc[7, "x"] = np.nan
    points.loc[8, ["point_id", "year"]] = ["p0", 2015]
    with (
        pytest.warns(LucasWarning, match="Not all of the map is judged") as caught,
        pytest.warns(LucasMessage, match="1 rows are other years of points"),
    ):
        found = validate_map(raster, points, {1: "woody", 2: "crop", 5: "lake"})
    assert found.left_out.to_dict("tight")["data"] == [
        ["another year of the point counts", 1],
        ["no class", 1],
        ["no coordinates", 1],
        ["outside the map", 1],
        ["no data on the map", 1],
        ["map value that the legend lacks", 1],
        ["map class that the points do not know", 1],
    ]
    assert found.n + found.left_out["n"].sum() == len(points)
    assert found.judged == pytest.approx(3 / 5)
    said = " ".join(str(w.message) for w in caught)
    assert "20% of the map's area has values that the legend lacks (9)" in said
    assert "20% of the map's area is lake, but the points only know crop, woody" in said
    assert "left out: 1 another year of the point counts; 1 no class" in repr(found)
    json.dumps(found.as_dict(), allow_nan=False)


def test_the_latest_year_with_a_class_counts(simple):
    points = points_on([0, 0, 0, 1, 1], ["woody", "artificial", None, "cropland", "cropland"])
    points["point_id"] = ["a", "a", "a", "b", "c"]
    points["year"] = [2009, 2015, 2018, 2018, 2018]
    with pytest.warns(LucasMessage, match="2 rows are other years"), pytest.warns(LucasWarning):
        found = validate_map(simple, points, LEGEND)
    assert found.confusion.loc["artificial", "artificial"] == 1
    assert found.n == 3


def test_a_point_twice_in_a_year_is_refused(simple):
    points = pd.concat([some_points(5)] * 2)
    with pytest.raises(InputError, match=r"more than once in a year \(p0, p1"):
        validate_map(simple, points, LEGEND)


def test_no_point_left_says_why(simple):
    with pytest.raises(InputError, match=r"None of 400 points can be compared.*400 map class"):
        validate_map(simple, some_points(), dict.fromkeys(range(1, 5), "Woody"))


def test_field_classes_can_be_the_reference(simple):
    points = some_points().assign(habitat=lambda t: t["predicted"], predicted="woody")
    found = validate_map(simple, points, LEGEND, reference="habitat")
    assert found.n == 400
    assert 0.7 < found.as_if_true.overall_accuracy < 0.9


# --- the map ----------------------------------------------------------------------------------


def test_pixels_are_counted_in_tiles_with_nodata(tmp_path):
    rng = np.random.default_rng(1)
    pixels = rng.choice(np.int16([1, 2, 3, 4, -99]), (700, 2500), p=[0.1, 0.4, 0.2, 0.2, 0.1])
    raster = write_map(tmp_path / "map.tif", pixels, nodata=-99, tiled=True, blockxsize=256,
                       blockysize=256, compress="deflate")  # fmt: skip
    row, column = rng.integers(0, 700, 500), rng.integers(0, 2500, 500)
    points = points_on(column, np.array(["", *CLASSES])[np.clip(pixels[row, column], 1, 4)])
    points["y"] = TOP - 1000.0 * row - 500
    found = validate_map(raster, points, LEGEND)
    counts = np.array([(pixels == v).sum() for v in range(1, 5)])
    mapped = found.per_class["area_mapped"].to_numpy()
    assert mapped == pytest.approx(counts / counts.sum(), abs=1e-12)
    assert found.as_if_true.overall_accuracy == 1
    assert found.left_out["n"].sum() == (pixels[row, column] == -99).sum()


def test_pixels_of_a_geographic_map_weigh_by_the_cosine_of_latitude(tmp_path):
    pixels = np.repeat(np.uint8([[1], [2]]), 3, axis=1)  # middles at 75 and 25 degrees north
    raster = write_map(tmp_path / "map.tif", pixels, crs="EPSG:4326", left=0, top=100, size=50.0)
    points = pd.DataFrame({"point_id": list("abcd"), "predicted": ["a", "a", "b", "b"],
                           "lon": 10.0, "lat": [75.0, 70.0, 25.0, 20.0]})  # fmt: skip
    found = validate_map(raster, points, {1: "a", 2: "b"})
    north, south = np.cos(np.radians([75, 25]))
    assert found.per_class["area_mapped"].tolist() == pytest.approx(
        [north / (north + south), south / (north + south)]
    )


@pytest.mark.parametrize(
    ("crs", "left", "top", "size"), [("EPSG:25832", 500_000, 6_300_000, 1000), ("EPSG:4326", 9, 56, 0.01)]
)  # fmt: skip
def test_points_are_found_in_any_system(tmp_path, crs, left, top, size):
    pixels = np.uint8(np.arange(1, 26).reshape(5, 5))
    raster = write_map(tmp_path / "map.tif", pixels, crs=crs, left=left, top=top, size=size)
    row, column = np.divmod(np.arange(25), 5)
    x, y = Transformer.from_crs(crs, "EPSG:3035", always_xy=True).transform(
        left + (column + 0.1) * size, top - (row + 0.9) * size
    )
    points = points_on(column, [f"c{v}" for v in range(1, 26)], x=x, y=y)
    found = validate_map(raster, points, {v: f"c{v}" for v in range(1, 26)})
    assert (np.diag(found.confusion) == 1).all()


def test_a_lucas_point_where_pixels_meet_belongs_right_and_below(tmp_path):
    pixels = np.uint8([[1, 2], [3, 4]])
    raster = write_map(tmp_path / "map.tif", pixels)
    # The id spells 4001 km east, 2999 km north: the middle of the map, the corner of all pixels.
    points = pd.DataFrame({"point_id": ["40012999", "40012998"], "predicted": ["woody", "woody"]})
    with pytest.warns(LucasWarning, match="Not all of the map"):
        found = validate_map(raster, points, LEGEND)
    assert found.confusion.loc["woody", "woody"] == 2  # the outer border belongs to the map


def test_a_map_whose_pixels_differ_in_area_is_warned_of(tmp_path):
    raster = write_map(tmp_path / "map.tif", np.uint8([[1], [2]]), crs="EPSG:3857", left=1e6,
                       top=9e6, size=2e6)  # fmt: skip
    points = pd.DataFrame({"point_id": list("abcd"), "predicted": ["a", "a", "b", "b"],
                           "lon": 15.0, "lat": [60.0, 58.0, 45.0, 44.0]})  # fmt: skip
    with pytest.warns(LucasWarning, match=r"differ in area by a factor of up to .*EPSG:3035"):
        validate_map(raster, points, {1: "a", 2: "b"})
    with warnings.catch_warnings(action="error"):
        validate_map(raster, points, {1: "a", 2: "b"},
                     areas=pd.DataFrame({"value": [1, 2], "area": [1, 2]}))  # fmt: skip


def test_a_large_map_needs_little_memory(tmp_path):
    size = 12_000
    with rasterio.open(tmp_path / "large.tif", "w", driver="GTiff", height=size, width=size,
                       count=1, dtype="uint8", crs="EPSG:3035", tiled=True, compress="deflate",
                       transform=rasterio.transform.from_origin(LEFT, TOP, 10, 10)) as file:  # fmt: skip
        for top in range(0, size, 2000):
            block = np.full((2000, size), 1 + (top > 5000), np.uint8)
            file.write(block, 1, window=rasterio.windows.Window(0, top, size, 2000))
    points = points_on([0, 1, 0, 1], ["a", "a", "b", "b"])
    points.loc[2:, "y"] -= 100_000
    found, peak = peak_memory(
        lambda: validate_map(tmp_path / "large.tif", points, {1: "a", 2: "b"})
    )
    assert found.per_class["area_mapped"].tolist() == [0.5, 0.5]
    assert peak < size**2  # less than its pixels, though each took 25 bytes while counted


def test_a_map_that_cannot_be_used_says_why(tmp_path, simple):
    points = some_points()
    with pytest.raises(InputError, match=r"There is no map .*nowhere\.tif"):
        validate_map(tmp_path / "nowhere.tif", points, LEGEND)
    with pytest.raises(InputError, match="There is no map https://"):
        validate_map("https://example.org/map.tif", points, LEGEND)
    (tmp_path / "broken.tif").write_bytes(b"II*\0 no map")
    with pytest.raises(InputError, match=r"Cannot read the map .*broken\.tif"):
        validate_map(tmp_path / "broken.tif", points, LEGEND)
    nowhere = write_map(tmp_path / "no_crs.tif", np.uint8([[1]]), crs=None)
    with pytest.raises(InputError, match="has no coordinate reference system"):
        validate_map(nowhere, points, LEGEND)
    local = 'LOCAL_CS["a plan",UNIT["metre",1]]'
    plan = write_map(tmp_path / "plan.tif", np.uint8([[1]]), crs=local)
    with pytest.raises(InputError, match="coordinate reference system cannot be used"):
        validate_map(plan, points, LEGEND)
    whole = simple.read_bytes()
    (tmp_path / "cut.tif").write_bytes(whole[: len(whole) // 3])
    with pytest.raises(InputError, match=r"Cannot read the map"):
        validate_map(tmp_path / "cut.tif", points, LEGEND)


def test_of_several_bands_the_first_is_taken(tmp_path, simple):
    with rasterio.open(simple) as one:
        profile = one.profile | {"count": 2}
        with rasterio.open(tmp_path / "two.tif", "w", **profile) as two:
            two.write(one.read(1), 1)
            two.write(one.read(1) * 0 + 7, 2)
    with pytest.warns(LucasMessage, match="The map has 2 bands; the first is taken"):
        found = validate_map(tmp_path / "two.tif", some_points(), LEGEND)
    assert found.n == 400


def test_rasterio_missing_says_what_to_install(simple, monkeypatch):
    monkeypatch.setitem(sys.modules, "rasterio", None)
    with pytest.raises(DependencyError, match=r"pip install \"rasterio>=1.3\""):
        validate_map(simple, some_points(), LEGEND)


# --- arguments --------------------------------------------------------------------------------


def test_a_legend_may_be_a_mapping_a_table_or_a_file(simple, tmp_path):
    table = pd.DataFrame({"value": [1, 2, 3, 4, 5], "class": [*CLASSES, None]})
    file = write_table(table, tmp_path / "legend.csv")
    texts = {str(v): c for v, c in LEGEND.items()}
    first, *others = (
        repr(validate_map(simple, some_points(), legend)) for legend in (LEGEND, table, file, texts)
    )
    assert all(other == first for other in others)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"legend": {"wood": "woody"}}, r"values of the legend must be the map's numbers; got wood"),
        ({"legend": pd.DataFrame({"value": [1, 1], "class": ["a", "b"]})}, r"several classes to the val"),
        ({"legend": pd.DataFrame({"code": [1], "class": ["a"]})}, r"legend needs the column value"),
        ({"reference": "truth"}, r"validate_map\(\) needs the column truth"),
        ({"weights": "w"}, r"validate_map\(\) needs the column w"),
        ({"level": 1}, r"level must be a number, more than 0 and less than 1"),
        ({"n_boot": -1}, r"n_boot must be a whole number, at least 0"),
        ({"areas": pd.DataFrame({"class": ["woody"], "area": [-1]})}, r"hold numbers of 0 or more"),
        ({"areas": pd.DataFrame({"class": ["woody"], "area": [1]})}, r"areas has none for artificial"),
        ({"areas": pd.DataFrame({"area": [1]})}, r"areas needs the column class"),
    ],
)  # fmt: skip
def test_bad_arguments_are_refused(simple, options, message):
    legend = options.pop("legend", LEGEND)
    with pytest.raises(InputError, match=message):
        validate_map(simple, some_points(), legend, **options)


def test_the_same_seed_gives_the_same_numbers(simple):
    table = checked(["woody", *CLASSES * 20], ["cropland", *CLASSES * 20])
    once, again, other = (
        validate_map(simple, some_points(), LEGEND, confusion=table, seed=s).as_dict()["corrected"]
        for s in (1, 1, 2)
    )
    assert once == again
    assert once["overall_accuracy"] == other["overall_accuracy"]
    assert once["overall_accuracy_interval"] != other["overall_accuracy_interval"]


def test_without_a_bootstrap_corrections_have_no_errors(simple):
    found = confused(simple, CLASSES * 9, CLASSES * 9, n_boot=0)
    assert np.isnan(found.corrected.overall_accuracy_se)
    assert found.as_if_true.overall_accuracy_se > 0


def test_it_prints_both_ways_of_seeing(simple):
    text = repr(confused(simple, CLASSES * 9, CLASSES * 9))
    assert "as if the points' classes were true:" in text
    assert "with the classifier's own errors taken out:" in text
    assert "points (rows map, columns reference)" in text
    assert "where both err on the same land" in text


# --- labelled points on the map ---------------------------------------------------------------


def on_hard_land(seed, n=1000, n_labelled=120, is_hard_for_both=True):
    """Map right at 85 %, classifier at 80 %; both err on the same quarter of the land, or independently."""
    rng = np.random.default_rng(seed)
    on_map = rng.choice(4, n, p=AREAS["area"] / AREAS["area"].sum())
    is_hard = rng.random(n) < 0.25
    map_wrong = np.where(is_hard, 0.54, 0.02) if is_hard_for_both else np.full(n, 0.15)
    wrong = np.where(is_hard, 0.65, 0.05) if is_hard_for_both else np.full(n, 0.2)
    other = [rng.integers(1, 4, n) for _ in range(2)]
    truth = np.where(rng.random(n) < map_wrong, (on_map + other[0]) % 4, on_map)
    called = np.where(rng.random(n) < wrong, (truth + other[1]) % 4, truth)
    names = np.array(CLASSES)
    points = points_on(on_map, pd.Categorical(names[called], categories=CLASSES))
    points["habitat"] = np.where(np.arange(n) < n_labelled, names[truth], None)
    return points, pd.DataFrame({"located": True, "inside": True, "value": on_map + 1.0})


def judged(points, at_points, **options):
    return judge_map(points, at_points, LEGEND, AREAS,
                     **{"reference": "predicted", "confusion": None, "weights": None, "n_boot": 50,
                        "level": 0.95, "seed": 1} | options)  # fmt: skip


@pytest.mark.parametrize("is_hard_for_both", [True, False])
def test_labels_hold_the_truth_also_where_both_err_on_the_same_land(is_hard_for_both):
    hits, errors, corrected, doubtful = [], [], [], []
    for seed in range(80):
        points, at_points = on_hard_land(seed, is_hard_for_both=is_hard_for_both)
        found = judged(points, at_points, confusion=evaluate(points[:120], n_boot=0))
        parts = [found.from_labels, found.prediction_powered]
        hits.append([covers(p.overall_accuracy_interval, 0.85) for p in parts])
        errors.append([p.overall_accuracy - 0.85 for p in parts])
        corrected.append(found.corrected.overall_accuracy)
        doubtful.append(found.independence.is_doubtful)
    # 95 % less two standard errors of 80 repetitions
    assert (np.mean(hits, axis=0) >= 0.9).all()
    assert np.abs(np.mean(errors, axis=0)).max() < 0.015
    assert np.std(errors, axis=0)[1] < np.std(errors, axis=0)[0]  # surer than labels alone
    assert (np.mean(corrected) > 0.92) == is_hard_for_both
    assert np.mean(doubtful) > 0.9 if is_hard_for_both else np.mean(doubtful) < 0.12


def test_the_estimate_from_labels_is_the_one_of_olofsson(tmp_path):
    case = CASES["cases"][0]
    points = case_points(case)
    found = validate_map(
        write_map(tmp_path / "map.tif", np.uint8([[1, 2, 3, 4]])),
        points.assign(habitat=points["predicted"]),
        pd.DataFrame(case["legend"]),
        areas=pd.DataFrame(case["areas"]),
    )
    labels = found.from_labels
    assert found.prediction_powered is None  # no point is without a label
    assert labels.overall_accuracy == pytest.approx(case["as_if_true"]["overall_accuracy"])
    assert labels.overall_accuracy_se == pytest.approx(case["as_if_true"]["overall_accuracy_se"])
    for name in ("users_accuracy", "users_se", "producers_accuracy", "producers_se", "area_se"):
        assert labels.per_class[name].tolist() == pytest.approx(case["as_if_true"][name]), name
    assert found.to_quote == "from_labels"


def test_power_is_worked_out_by_hand():
    """One map class: a share of 0.5 + power * (mean prediction of the others less that of the labelled)."""
    labelled, others = ["a", "a", "b", "b"], ["a"] * 6 + ["b"] * 2
    points = points_on([0] * 12, pd.Categorical(["a", "a", "b", "a", *others]))
    points["habitat"] = labelled + [None] * 8
    at = pd.DataFrame({"located": True, "inside": True, "value": [1.0] * 12})
    found = judge_map(points, at, {1: "a"}, pd.DataFrame({"class": ["a"], "area": [1]}),
                      reference="predicted", confusion=None, weights=None, n_boot=0, level=0.95,
                      seed=1)  # fmt: skip
    # Both classes alike: covariance (1/4) (0.5 x 0.25 x 2 + 0.5 x 0.75 - 0.5 x 0.25) = 1/8; of 12
    # predictions 9 are a, so their variance is 12 / 11 x 3/16; the power (1/8) / ((1 + 4/8) x 9/44).
    power = (1 / 8) / (1.5 * 9 / 44)
    assert found.prediction_powered.overall_accuracy == pytest.approx(
        0.5
    )  # 6/8 in both, so no difference
    inner = power * np.array([1, 1, 0, 1])
    rest = np.array([1, 1, 0, 0]) - inner
    variance = rest.var(ddof=1) / 4 + power**2 * np.array([1] * 6 + [0] * 2).var(ddof=1) / 8
    assert found.prediction_powered.overall_accuracy_se == pytest.approx(np.sqrt(variance))


def test_labelled_points_may_be_a_table_of_their_own(simple):
    points, _ = on_hard_land(1, n=400)
    whole = validate_map(simple, points, LEGEND)
    apart = validate_map(
        simple, points[120:].drop(columns="habitat"), LEGEND, labelled=points[:120]
    )
    for name in ("from_labels", "prediction_powered", "independence"):
        assert apart.as_dict()[name] == whole.as_dict()[name]
    assert whole.to_quote == apart.to_quote == "prediction_powered"
    assert "to quote: prediction_powered" in repr(whole)
    assert set(whole.per_class["reference"]) == {"as_if_true", "from_labels", "prediction_powered"}
    json.dumps(whole.as_dict(), allow_nan=False)
    bare = points[:120].drop(columns=["predicted"])
    seen = validate_map(simple, points[120:], LEGEND, labelled=bare)
    assert seen.prediction_powered is None
    assert seen.independence is None
    assert seen.from_labels.as_dict() == whole.from_labels.as_dict()


def test_years_of_labelled_points_count_once(simple):
    points, _ = on_hard_land(1, n=300)
    once = validate_map(simple, points, LEGEND)
    with pytest.warns(LucasMessage, match="other years"):
        again = validate_map(simple, pd.concat([points.assign(year=2015), points]), LEGEND)
    for name in ("from_labels", "prediction_powered"):
        assert again.as_dict()[name] == once.as_dict()[name]


def test_years_of_test_points_are_no_further_points(simple):
    points, tested = some_points(), some_points(200, 0.7).assign(habitat="woody")
    tested["habitat"] = np.array(CLASSES)[((tested["x"] - LEFT) // 1000).astype(int)]
    thrice = pd.concat([tested.assign(year=year) for year in (2012, 2015, 2018)])
    once = validate_map(simple, points, LEGEND, confusion=tested).corrected
    again = validate_map(simple, points, LEGEND, confusion=thrice)
    assert again.corrected.overall_accuracy == pytest.approx(once.overall_accuracy)
    assert again.corrected.overall_accuracy_se == pytest.approx(once.overall_accuracy_se, rel=0.1)
    assert any("600 rows are of 200 points seen in several years" in n for n in again.notes)


def test_what_labels_cannot_judge_is_said(simple):
    points = points_on(
        [0, 0, 0, 1, 1, 1, 2, 2, 3, 3], [*["artificial"] * 3, *["cropland"] * 3, *CLASSES]
    )
    points["habitat"] = ["artificial", "artificial", None, "cropland", *[None] * 6]
    found = validate_map(simple, points, LEGEND)
    said = " ".join(found.notes)
    assert "no labelled point lies on map class grassland, woody, 50% of the area" in said
    assert "only one labelled point lies on map class cropland; its variance" in said
    assert "fewer than 30 points have a label" in said
    low, high = found.from_labels.overall_accuracy_interval
    assert high - low > 0.3
    without = validate_map(
        simple, some_points(), LEGEND, confusion=checked(CLASSES * 20, CLASSES * 20)
    )
    assert without.to_quote == "corrected"
    assert any("give them, with their habitat, as labelled" in note for note in without.notes)

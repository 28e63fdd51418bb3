"""Every argument of every public function, given what makes no sense: a result, or an error that is ours."""

import inspect
import resource
import signal
import time
import warnings
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest
from conftest import write_photos
from test_maps import LEFT, LEGEND, TOP, write_map

import lucas_habitat as lh
from lucas_habitat._base.words import NAMES
from lucas_habitat.engines.openvino_engine import cpu_has_int8
from lucas_habitat.errors import DownloadError, InputError, LucasError

pytestmark = pytest.mark.filterwarnings("ignore")
CLASSES = ["artificial", "cropland", "grassland", "woody"]
SHARES = dict.fromkeys(CLASSES, 0.25)

#: What users have typed, and what no one should; a column comes where a name belongs.
ODD = {
    "None": None,
    "empty text": "",
    "blank": " ",
    "nonsense": "no such thing",
    "NUL": "a\0b",
    "long text": "ø" * 5_000,
    "bytes": b"habitat",
    "zero": 0,
    "minus one": -1,
    "half": 0.5,
    "nan": float("nan"),
    "inf": float("inf"),
    "1e12": 1e12,
    "10**30": 10**30,
    "True": True,
    "no list": [],
    "list with None": ["woody", None],
    "list of numbers": [1, 2.5],
    "mapping": {"woody": 0.5},
    "set": {"woody"},
    "object": object(),
    "function": len,
    "NA": pd.NA,
    "NaT": pd.NaT,
    "no table": pd.DataFrame(),
    "another table": pd.DataFrame({"a": [1, 2], "b": ["x", None]}),
    "column": pd.Series(CLASSES * 60, name="habitat"),
    "short column": pd.Series([1.0, 2.0]),
    "array": np.zeros((2, 2)),
}


def made_points(years=(2018, 2022)):
    """120 points in two years, with coordinates, labels, probabilities, weights and distances."""
    rng = np.random.default_rng(1)
    n = 120
    parts = []
    for year in years:
        p = rng.dirichlet(np.ones(4), n)
        table = pd.DataFrame({f"p_{c}": p[:, i] for i, c in enumerate(CLASSES)})
        table["predicted"] = np.array(CLASSES)[p.argmax(axis=1)]
        table["confidence"] = p.max(axis=1)
        table["habitat"] = np.where(rng.random(n) < 0.7, table["predicted"], rng.choice(CLASSES, n))
        table["point_id"] = [f"{4300 + i:04d}3600" for i in range(n)]
        table["year"] = year
        table["x"] = LEFT + 1000.0 * (np.arange(n) % 12) + 500
        table["y"] = TOP - 1000.0 * (np.arange(n) // 12) - 500
        table["n_photos"], table["n_expected"] = 5, 5
        table["agreement"] = 1.0
        table["w"] = rng.gamma(2, 1, n)
        table["km_to_training"] = rng.gamma(2, 5, n)
        table["split"] = "test"
        parts.append(table)
    table = pd.concat(parts, ignore_index=True)
    table["predicted"] = pd.Categorical(table["predicted"], CLASSES)
    table["habitat"] = pd.Categorical(table["habitat"], CLASSES)
    table.attrs["calibrated"] = True
    return table


@pytest.fixture(scope="module")
def calls(tmp_path_factory, parts, photo_folder, model, predictions):
    """A call of every public function that ends well, by name: its arguments."""
    folder = tmp_path_factory.mktemp("odd")
    more = write_photos(folder / "more", 20, ["north"])
    doubtful = parts[1].assign(habitat=parts[1]["habitat"].astype("str"))
    doubtful.loc[doubtful["point_id"] == doubtful["point_id"].iloc[0], "habitat"] = CLASSES[-1]
    points = made_points()
    one_year = points[points["year"] == 2018].reset_index(drop=True)
    labelled = one_year.head(100)
    write_map(folder / "map.tif", np.arange(120).reshape(10, 12).astype("uint8") % 4 + 1)
    lh.save_model(model, folder / "model")
    photos = lh.list_photos(photo_folder)
    few = photos.groupby("habitat", observed=True).head(4).reset_index(drop=True)
    survey = pd.DataFrame(
        {
            "point_id": [f"{4300 + i:04d}3600" for i in range(40)],
            "year": 2018,
            "nuts0": "DK",
            "lc1": ["A11", "B11", "E20", "C10"] * 10,
            "lon": 10.0,
            "lat": 56.0,
            "obs_type": "In situ < 100 m",
            "obs_dist": 5.0,
        }
        | {f"photo_{d}": True for d in ("point", "north", "east", "south", "west")}
    )
    survey.to_csv(folder / "survey.csv", index=False)
    covariates = lh.covariates(one_year)
    evaluation = lh.evaluate(one_year, n_boot=20)
    sites = one_year[["x", "y"]].head(5) + 100
    distances = lh.error_by_distance(one_year)
    saved = lh.labelling_saved(one_year, labelled)
    lh.sort_photos(predictions, folder / "sorted", progress=False)
    recipes = {n: {"arch": "efficientnet_lite0", "epochs": int(n)} for n in "12"}
    comparison = lh.compare_recipes(
        few, recipes, folds=2, repeats=1, n_boot=20,
        progress=False,
    )  # fmt: skip
    table = {"points": one_year}
    photos_of = {"photos": few, "progress": False}
    lite = {"arch": "efficientnet_lite0"}
    return {
        "abstain": table | {"labelled": labelled, "accuracy": 0.8},
        "adjust_shares": table | {"new_shares": SHARES, "class_shares": SHARES},
        "assign_habitat": {"table": survey},
        "at_level": {"predictions": one_year, "level": "level1",
                     "levels": pd.DataFrame({"class": CLASSES, "level1": ["a", "a", "b", "b"]})},
        "build_model": {"num_classes": 4, "arch": "efficientnet_lite0"},
        "cache_info": {},
        "calibrate": {"model": model, "photos": doubtful, "progress": False},
        "changes": {"points": points, "class_shares": SHARES},
        "check_split": {"train": few.head(8), "test": few.tail(8), "progress": False},
        "class_colours": {"classes": CLASSES},
        "class_levels": {"source": ["B11", "E20"]},
        "clear_cache": {},
        "classify": photos_of | {"model": model},
        "compare": {"a": one_year, "b": one_year, "n_boot": 20},
        "compare_recipes": photos_of | {"recipes": recipes, "folds": 2,
                                        "repeats": 1, "n_boot": 20},
        "covariates": table | {"sites": sites, "crs": "EPSG:3035", "k": 3},
        "credit": {"years": 2018},
        "cross_validate": photos_of | lite | {"folds": 2, "training": {"epochs": 1}},
        "doubted_labels": {"predictions": one_year},
        "download_photos": {"points": survey.head(1), "folder": folder / "downloads",
                            "base": "http://127.0.0.1:9", "retries": 0, "per_second": 1000.0,
                            "progress": False},
        "download_table": {"url": "http://127.0.0.1:9/a.csv", "out": folder / "table.csv", "retries": 0,
                           "progress": False},
        "draw_demo_photos": {"folder": folder / "demo", "n_points": 4, "size": (160, 160),
                             "progress": False},
        "error_by_distance": {"predictions": one_year},
        "estimate_shares": table | {"labelled": labelled},
        "eunis_scheme": {},
        "evaluate": {"predictions": one_year, "n_boot": 20},
        "in_training": photos_of | {"model": model},
        "labelling_saved": table | {"labelled": labelled},
        "lc1_codes": {},
        "list_photos": {"source": few},
        "load_model": {"folder": folder / "model"},
        "locate_photos": photos_of,
        "near_duplicates": photos_of | lite,
        "odmap": {"covariates": covariates},
        "photo_url": {"point_id": "43003600", "year": 2018, "nuts0": "DK", "direction": "P"},
        "pilot": {"out": folder / "pilot", "photos": more, "progress": False, "training": {"epochs": 1},
                  "arch": "efficientnet_lite0", "overwrite": True},
        "pilot_scheme": {},
        "plot_confusion": {"evaluation": evaluation},
        "plot_distance": {"table": distances},
        "plot_history": {"model": model},
        "plot_labelling": {"table": saved},
        "plot_map": table,
        "plot_photos": {"predictions": predictions},
        "plot_point": {"predictions": predictions, "point_id": predictions["point_id"].iloc[0]},
        "plot_recipes": {"comparison": comparison},
        "plot_reliability": {"predictions": one_year},
        "plot_transitions": {"table": lh.transitions(points, class_shares=SHARES, n_boot=20)},
        "plot_votes": {"predictions": predictions},
        "predict_level": table | {"labelled": labelled, "accuracy": 0.5, "levels": pd.DataFrame(
            {"class": CLASSES, "level1": ["a", "a", "b", "b"]})},
        "prediction_sets": table | {"labelled": labelled},
        "quantize": photos_of | {"model": model, "n_photos": 4},
        "read_sorted": {"folder": folder / "sorted"},
        "read_survey": {"source": folder / "survey.csv"},
        "reliability": {"predictions": one_year},
        "report": {"predictions": predictions, "out": folder / "report.html"},
        "review_list": {"predictions": predictions},
        "run_demo": {"out": folder / "demo run", "photos": more, "n_points": 16, "progress": False},
        "save_model": {"model": model, "folder": folder / "saved", "overwrite": True},
        "select_points": {"survey": survey},
        "share_model": {"model": model, "out": folder / "model.zip", "licence": "CC-BY-4.0",
                        "authors": "A. Author"},
        "sort_photos": {"predictions": predictions, "folder": folder / "sorted", "progress": False},
        "split_photos": {"photos": few, "test_size": 0.5},
        "support": {"covariates": covariates},
        "train": photos_of | lite | {"epochs": 1},
        "transitions": {"points": points, "class_shares": SHARES, "n_boot": 20},
        "validate_map": {"raster": folder / "map.tif", "points": one_year, "legend": LEGEND, "n_boot": 20},
        "write_croissant": {"table": one_year, "out": folder / "points.json", "title": "Points",
                            "authors": "A. Author", "licence": "CC-BY-4.0"},
        "write_dwca": table | {"out": folder / "points.zip", "title": "Points", "authors": "A. Author",
                               "licence": "CC-BY-4.0"},
        "write_xmp": {"predictions": predictions, "progress": False},
        "vote": {"predictions": predictions},
        "vote_gain": {"predictions": predictions, "n_draws": 20},
    }  # fmt: skip


class TooLongError(BaseException):
    """A call that did not come back; nothing in the package may catch it."""


@contextmanager
def bounded(seconds=20, more_bytes=2_000_000_000):
    """A call may take so long, and so much more memory than is in use."""

    def stop(*_):
        raise TooLongError

    with open("/proc/self/statm", encoding="ascii") as file:
        in_use = int(file.read().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    handler = signal.signal(signal.SIGALRM, stop)
    resource.setrlimit(resource.RLIMIT_AS, (in_use + more_bytes, before[1]))
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        resource.setrlimit(resource.RLIMIT_AS, before)
        signal.signal(signal.SIGALRM, handler)


def outcome(name, arguments):
    """What a call comes to that should not: nothing, or an error that is not ours."""
    try:
        with warnings.catch_warnings(), bounded():
            warnings.simplefilter("ignore")
            getattr(lh, name)(**arguments)
    except LucasError:
        return ""
    except TooLongError:
        return "did not come back"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def odd_calls(name, calls, values):
    """What the odd values of every argument came to, where that should not be."""
    plt = pytest.importorskip("matplotlib.pyplot")
    bad = {}
    for parameter in inspect.signature(getattr(lh, name)).parameters:
        for what in values:
            if (parameter, what) not in MEANT:
                result = outcome(name, calls[name] | {parameter: ODD[what]})
                plt.close("all")
                if result:
                    bad[f"{parameter}: {what}"] = result
    return bad


#: What is no odd value there: a function that is called back, and recipes that take minutes.
MEANT = {("progress", "function"), ("recipes", "None"), ("training", "None"), ("epochs", "None")}

# These start a server, or R within this process, which then changes where its children find libraries.
NOT_CALLED = {"run_app", "save_rds", "to_r"}

FUNCTIONS = [
    name for name in NAMES if inspect.isfunction(getattr(lh, name)) and name not in NOT_CALLED
]

# These train or classify where a value can be taken.
SLOW = {
    "calibrate", "check_split", "classify", "compare_recipes", "cross_validate", "locate_photos",
    "near_duplicates", "pilot", "quantize", "report", "run_demo", "train",
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_usual_call_ends_well(name, calls):
    if name == "quantize" and not cpu_has_int8():
        pytest.skip("this CPU has no int8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if "127.0.0.1" in str(calls[name]):
            with pytest.raises(DownloadError):
                getattr(lh, name)(**calls[name])
        else:
            getattr(lh, name)(**calls[name])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_odd_value_ends_in_an_error_that_is_not_ours(name, calls, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    few = ["NUL", "nan", "10**30", "list of numbers", "object", "no table", "column", "array"]
    assert odd_calls(name, calls, few if name in SLOW else ODD) == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SLOW))
def test_nor_where_a_call_takes_long(name, calls, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert odd_calls(name, calls, ODD) == {}


def test_what_hangs_or_fills_the_memory_is_told():
    with pytest.raises(TooLongError), bounded(seconds=1):
        time.sleep(5)
    with pytest.raises(MemoryError), bounded(more_bytes=10_000_000):
        np.ones(100_000_000)


# What people write instead of a column's name


def test_a_column_may_be_given_itself():
    points = made_points((2018,))
    named = lh.evaluate(points, weights="w", n_boot=20)
    given = lh.evaluate(
        points.drop(columns="habitat"),
        reference=points["habitat"],
        weights=list(points["w"]),
        n_boot=20,
    )
    assert given.as_dict() | {"weights": "w"} == named.as_dict()
    assert given.weights == "weights"
    b = points.assign(predicted=points["predicted"].to_numpy()[::-1])
    assert lh.compare(points, b, n_boot=20).table.equals(
        lh.compare(points, b, reference=points["habitat"], n_boot=20).table
    )
    sites = pd.DataFrame({"x": points["x"].head(3), "y": points["y"].head(3)})
    at = lh.covariates(points, sites, crs="EPSG:3035", k=1, id=["a", "b", "c"])
    assert at.index.tolist() == ["a", "b", "c"]
    codes = lh.assign_habitat(pd.DataFrame({"a": [1, 2]}), column=["B11", "E20"])
    assert codes["habitat"].tolist() == ["cropland", "grassland"]


def test_a_column_of_another_length_is_refused():
    points = made_points((2018,))
    with pytest.raises(
        InputError, match="as many values as the table has rows, which is 120; got 2"
    ):
        lh.evaluate(points, reference=["woody", "woody"])


def test_what_is_refused_is_said_in_one_sentence(calls):
    for name, odd, message in [
        (
            "evaluate",
            {"reference": None},
            "reference must be the name of a column, or a column; got None",
        ),
        ("classify", {"cache": "yes"}, "cache must be True or False; got 'yes' instead"),
        ("plot_votes", {"out": 5}, "out must be a path or None; got 5 instead"),
        ("vote", {"predictions": "ø" * 300}, "no file can have the name 'ø+...' of 300 letters"),
        ("list_photos", {"source": "a\0b"}, "must not hold the character of number 0"),
        ("save_model", {"folder": ""}, "folder must not be empty text"),
        ("credit", {"years": {"a": 1}}, r"several whole numbers; got 1 values \(dict\) instead"),
    ]:
        with pytest.raises(InputError, match=message):
            getattr(lh, name)(**(calls[name] | odd))


def test_public_functions_are_checked():
    assert [n for n in NAMES if not hasattr(getattr(lh, n), "__wrapped__")] == []


def test_unknown_arguments_are_told_with_the_name_of_the_function():
    with pytest.raises(TypeError, match=r"vote\(\) got an unexpected keyword argument 'methods'"):
        lh.vote("points.csv", methods="majority")

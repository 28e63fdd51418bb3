"""Over the years: doubt is not taken for change, intervals hold the truth, and p_changed is a proportion."""

import json
import warnings
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
from conftest import growth
from pictures_support import HARD, cut_off, overlapping
from scipy.optimize import minimize

from lucas_habitat import changes, plot_transitions, report, transitions, vote
from lucas_habitat._base.classes import column_names
from lucas_habitat._base.tables import write_table
from lucas_habitat.cli import main
from lucas_habitat.errors import InputError, LucasMessage, LucasWarning
from lucas_habitat.over_years import _climb, transitions_and_changes
from lucas_habitat.pictures.colours import PILOT

CASES = json.loads(
    (Path(__file__).parents[1] / "cases" / "transitions.json").read_text(encoding="utf-8")
)


def truth_of(change, classes=4, seed=0):
    """True shares of transitions, (classes, classes), of which so much is change."""
    base = np.random.default_rng(seed).dirichlet(np.full(classes, 3.0))
    off = np.outer(base, base)
    np.fill_diagonal(off, 0)
    return (1 - change) * np.diag(base) + change * off / off.sum()


def true_classes(n, steps, rng):
    """Classes of n points, (n, years), that change from year to year as the steps say."""
    k = len(steps[0])
    classes = [rng.choice(k, size=n, p=steps[0].sum(axis=1))]
    for step in steps:
        given = step / step.sum(axis=1, keepdims=True)
        reached = given[classes[-1]].cumsum(axis=1)
        classes.append((rng.random((n, 1)) > reached).sum(axis=1).clip(0, k - 1))
    return np.stack(classes, axis=1)


def calibrated(classes, rng, k=4, skill=2.0):
    """Probabilities that are proportions under equal class shares; with skill 2, 82 % are right.

    What is seen of class c is normal around skill * e_c, so p_c is exp(skill * x_c) over its sum.
    """
    x = rng.normal(size=(*classes.shape, k))
    np.put_along_axis(
        x, classes[..., None], skill + np.take_along_axis(x, classes[..., None], -1), -1
    )
    p = np.exp(skill * x)
    return p / p.sum(axis=-1, keepdims=True)


def table_of(p, years=(2012, 2018), classes=PILOT, **columns):
    """Points as vote() gives them, of probabilities (points, years, classes)."""
    n = len(p)
    flat = np.swapaxes(p, 0, 1).reshape(-1, p.shape[-1])
    table = pd.DataFrame(
        {
            "point_id": [f"plot {i}" for i in range(n)] * len(years),
            "year": pd.array(np.repeat(years, n), dtype="Int64"),
            "n_photos": 1,
            "predicted": pd.Categorical.from_codes(flat.argmax(axis=1), categories=list(classes)),
        }
    )
    for name, values in zip(column_names(list(classes)), flat.T, strict=True):
        table[name] = values
    return table.assign(calibrated=True, **columns)


def simulated(n=400, change=0.05, seed=0, **options):
    rng = np.random.default_rng(seed)
    classes = true_classes(n, [truth_of(change)], rng)
    return table_of(calibrated(classes, rng, **options)), classes


def total(table):
    return table.iloc[0][["changed_predicted", "changed", "changed_low", "changed_high"]].tolist()


# --- numbers both languages share -------------------------------------------------------------


@pytest.mark.parametrize("case", CASES["cases"], ids=lambda c: c["name"])
@pytest.mark.filterwarnings("ignore::lucas_habitat.errors.LucasMessage")
def test_cases(case):
    points = pd.DataFrame(CASES["points"])
    labels = {"habitat": CASES["habitat"]} if case["labels"] else {}
    points = points.assign(**labels)
    with pytest.warns(LucasWarning, match=CASES["warning"]):
        shares = transitions(points, **case["arguments"], n_boot=0)
    with pytest.warns(LucasWarning, match=CASES["warning"]):
        found = changes(points, **case["arguments"])
    assert shares.attrs["sharpness"] == pytest.approx(case["sharpness"], abs=1e-4)
    for table, wanted in ((shares, case["transitions"]), (found, case["changes"])):
        for column, expected in wanted.items():
            if table[column].dtype == "float64":
                got, numbers = table[column].to_numpy(), np.array(expected, dtype=float)
                np.testing.assert_allclose(got, numbers, rtol=0, atol=CASES["tolerance"])
            else:
                assert [None if pd.isna(v) else v for v in table[column]] == expected, column


# --- against other ways to the same maximum ---------------------------------------------------


def log_likelihood(shares, joint):
    return np.log(joint @ shares.ravel()).sum()


def by_em(joint, steps=20_000):
    shares = np.full(joint.shape[1], 1 / joint.shape[1])
    for _ in range(steps):
        posterior = joint * shares
        shares = (posterior / posterior.sum(axis=1, keepdims=True)).mean(axis=0)
    return shares


@pytest.mark.parametrize("k", [2, 3, 4])
@pytest.mark.parametrize("n", [12, 60, 300])
@pytest.mark.parametrize("change", [0.0, 0.3])
@pytest.mark.filterwarnings("ignore::lucas_habitat.errors.LucasWarning")
def test_shares_are_those_of_em_and_of_a_general_optimiser(k, n, change):
    rng = np.random.default_rng(n)
    classes = true_classes(n, [truth_of(change, k)], rng)
    p = calibrated(classes, rng, k)
    names = [f"c{i}" for i in range(k)]
    found = transitions(table_of(p, classes=names), n_boot=0)["share"].to_numpy()
    joint = (p[:, 0, :, None] * p[:, 1, None, :]).reshape(n, -1)
    assert found.sum() == pytest.approx(1)
    em = by_em(joint)
    assert log_likelihood(found, joint) >= log_likelihood(em, joint) - 1e-9
    other = minimize(
        lambda z: -log_likelihood(np.exp(z - z.max()) / np.exp(z - z.max()).sum(), joint),
        np.zeros(k * k),
        method="L-BFGS-B",
    )
    assert log_likelihood(found, joint) >= -other.fun - 1e-6
    if n > k * k:
        assert found == pytest.approx(em, abs=2e-3)


def test_bootstrap_samples_reach_their_maximum():
    points, _ = simulated(300)
    p = points[column_names(list(PILOT))].to_numpy().reshape(2, 300, 4)
    joint = (p[0][:, :, None] * p[1][:, None, :]).reshape(300, 16)
    start = _climb(joint, np.ones((300, 1)), np.full((16, 1), 1 / 16), steps=200)
    rng = np.random.default_rng(3)
    times = rng.multinomial(300, np.full(300, 1 / 300), size=100).T.astype(float)
    quick = _climb(joint, times, np.repeat(start, 100, axis=1), steps=12)
    right = _climb(joint, times, np.full((16, 100), 1 / 16), steps=200)
    a, b = (1 - shares[::5].sum(axis=0) for shares in (quick, right))
    assert np.quantile(np.abs(a - b), 0.95) < 0.002
    assert np.quantile(a, [0.025, 0.5, 0.975]) == pytest.approx(
        np.quantile(b, [0.025, 0.5, 0.975]), abs=0.003
    )


# --- known truth ------------------------------------------------------------------------------


def check_coverage(n, change, times, n_boot, least):
    held, cells, counted, estimates = [], [], [], []
    for seed in range(times):
        points, _ = simulated(n, change, seed)
        found = transitions(points, n_boot=n_boot, seed=seed)
        by_counting, estimate, low, high = total(found)
        held.append(low <= change <= high)
        true = truth_of(change).ravel()
        cells.append(((found["low"] <= true) & (true <= found["high"])).mean())
        counted.append(by_counting)
        estimates.append(estimate)
    assert np.mean(held) >= least
    # Those of single transitions are a little short: 92 % at worst, over 200 other repetitions.
    assert np.mean(cells) >= 0.90
    assert np.mean(counted) > change + 0.2
    assert np.mean(estimates) == pytest.approx(change, abs=0.045 if n < 200 else 0.02)


@pytest.mark.parametrize(("n", "change"), [(150, 0.0), (300, 0.05), (300, 0.2)])
def test_intervals_hold_the_truth_where_counting_is_far_off(n, change):
    # 95 %, less three standard errors of so few repetitions
    check_coverage(n, change, times=30, n_boot=100, least=0.83)


@pytest.mark.slow
@pytest.mark.parametrize("n", [100, 400, 2000])
@pytest.mark.parametrize("change", [0.0, 0.02, 0.05, 0.2])
def test_intervals_hold_the_truth_in_many_simulations(n, change):
    check_coverage(n, change, times=200, n_boot=400, least=0.90)


def test_without_change_intervals_reach_down_to_nothing():
    lows = [total(transitions(simulated(300, 0.0, seed)[0], n_boot=100))[2] for seed in range(10)]
    assert np.mean(np.array(lows) < 0.002) >= 0.9


def test_p_changed_is_a_proportion():
    points, classes = simulated(20_000, 0.2, seed=5)
    found = changes(points)
    really = classes[:, 0] != classes[:, 1]
    p = found["p_changed"].to_numpy()
    for low in np.arange(0, 1, 0.1):
        bin_ = (p >= low) & (p < low + 0.1)
        assert bin_.sum() > 100
        error = 4 * np.sqrt(0.25 / bin_.sum()) + 0.01
        assert really[bin_].mean() == pytest.approx(p[bin_].mean(), abs=error)
    assert really[found["verdict"] == "changed"].mean() > 0.9
    assert really[found["verdict"] == "same"].mean() < 0.1
    # What is likeliest given both visits is right more often than what was predicted for each.
    codes = [found[f"likeliest_{end}"].cat.codes.to_numpy() for end in ("from", "to")]
    likeliest = (np.stack(codes, axis=1) == classes).all(axis=1).mean()
    codes = [found[f"predicted_{end}"].cat.codes.to_numpy() for end in ("from", "to")]
    assert likeliest > (np.stack(codes, axis=1) == classes).all(axis=1).mean() + 0.1


def five_photos(n, change, seed):
    """Points whose five photos, each calibrated, share half of their errors, and their classes."""
    rng = np.random.default_rng(seed)
    classes = true_classes(n, [truth_of(change)], rng)
    skill = 1.7
    x = rng.normal(size=(n, 2, 1, 4)) * 0.6**0.5 + rng.normal(size=(n, 2, 5, 4)) * 0.4**0.5
    x[np.arange(n)[:, None], [[0, 1]], :, classes] += skill
    p = np.exp(skill * x)
    p = (p / p.sum(axis=-1, keepdims=True)).mean(axis=2)
    points = table_of(p).assign(n_photos=5, habitat=np.array(PILOT)[classes.T.ravel()])
    return points, classes


def test_labels_tell_how_sure_the_mean_of_five_photos_is():
    points, classes = five_photos(2000, 0.2, 1)
    with pytest.warns(LucasWarning, match="change is underestimated, possibly to nothing"):
        blind = total(transitions(points.drop(columns="habitat"), n_boot=0))[1]
    assert blind < 0.12
    with pytest.warns(
        LucasMessage, match="4000 labelled rows show that points are surer of their class"
    ):
        found = transitions(points, n_boot=100)
    _, estimate, low, high = total(found)
    assert estimate == pytest.approx(0.2, abs=0.03)
    assert low < 0.2 < high
    assert 1.5 < found.attrs["sharpness"] < 2.2
    # Labelled points of their own do the same, also if they are few.
    others, _ = five_photos(150, 0.0, 2)
    with pytest.warns(LucasMessage, match="300 labelled rows show"):
        found = changes(points.drop(columns="habitat"), labelled=others)
    really = classes[:, 0] != classes[:, 1]
    assert really[found["verdict"] == "changed"].mean() > 0.85
    assert found["p_changed"].mean() == pytest.approx(0.2, abs=0.05)


def test_labels_leave_calibrated_probabilities_as_they_are():
    points, classes = simulated(3000)
    points["habitat"] = np.array(PILOT)[classes.T.ravel()]
    with pytest.warns(LucasMessage, match="labelled rows"):
        found = transitions(points, n_boot=0)
    assert found.attrs["sharpness"] == pytest.approx(1, abs=0.06)


def test_points_trained_on_do_not_tell_how_sure_others_are():
    points, classes = simulated(100)
    points = points.assign(habitat=np.array(PILOT)[classes.T.ravel()], split="train")
    assert transitions(points, n_boot=0).attrs["sharpness"] == 1


def test_class_shares_are_divided_out():
    # The model saw mostly cropland, so its probabilities lean to it; the land has equal shares.
    rng = np.random.default_rng(2)
    true = 0.9 * np.eye(4) / 4 + 0.1 * (1 - np.eye(4)) / 12
    classes = true_classes(4000, [true], rng)
    seen = np.array([0.1, 0.7, 0.1, 0.1])
    p = calibrated(classes, rng) * seen
    points = table_of(p / p.sum(axis=-1, keepdims=True))
    given = dict(zip(PILOT, 1000 * seen, strict=True))
    right = transitions(points, class_shares=given, n_boot=0)
    assert total(right)[1] == pytest.approx(0.1, abs=0.02)
    stay = right[right["class_from"] == right["class_to"]]["share"]
    assert stay.tolist() == pytest.approx([0.225] * 4, abs=0.02)
    wrong = transitions(points, n_boot=0)
    stay = wrong[wrong["class_from"] == wrong["class_to"]]["share"]
    assert np.abs(stay - 0.225).max() > 0.05


def test_a_model_tells_its_class_shares(model, tmp_path):
    from lucas_habitat import save_model

    points, _ = simulated(100)
    assert set(model.training["photos_per_class"]) == set(PILOT)
    by_hand = transitions(points, class_shares=model.training["photos_per_class"], n_boot=0)
    folder = save_model(model, tmp_path / "model")
    for given in (model, folder):
        pd.testing.assert_frame_equal(transitions(points, class_shares=given, n_boot=0), by_hand)


# --- what tables really look like -------------------------------------------------------------


def test_three_campaigns_and_chosen_ones():
    rng = np.random.default_rng(1)
    classes = true_classes(600, [truth_of(0.1), truth_of(0.1)], rng)
    points = table_of(calibrated(classes, rng), years=(2009, 2012, 2018))
    found = transitions(points, n_boot=0)
    assert found.groupby(["year_from", "year_to"]).ngroups == 2
    sums = found.groupby("year_from")[["share", "share_predicted", "n_predicted"]].sum()
    assert sums.to_numpy() == pytest.approx(np.tile([1, 1, 600], (2, 1)))
    table = changes(points)
    assert len(table) == 1200
    # At the maximum, the mean of the points' probabilities is the share.
    for year, rows in table.groupby("year_from"):
        share = found.loc[found["year_from"] == year, "changed"].iloc[0]
        assert rows["p_changed"].mean() == pytest.approx(share, abs=1e-6)
    ends = transitions(points, years=[2018, 2009], n_boot=0)
    assert ends[["year_from", "year_to"]].drop_duplicates().to_numpy().tolist() == [[2009, 2018]]
    assert total(ends)[1] > total(found)[1]


@pytest.mark.filterwarnings("ignore::lucas_habitat.errors.LucasMessage")
def test_rows_that_tell_nothing_are_left_out_and_counted():
    points, _ = simulated(60)
    before = changes(points.iloc[: 60 + 50])
    broken = points.copy()
    broken.loc[110, "year"] = pd.NA
    broken.loc[111, "predicted"] = np.nan
    broken.loc[112:119, column_names(list(PILOT))] = np.nan
    with pytest.warns(LucasMessage, match=r"10 points were classified in one year .* 10 rows"):
        after = changes(broken)
    pd.testing.assert_frame_equal(before, after)
    shuffled = transitions(points.sample(frac=1, random_state=1), n_boot=0)
    pd.testing.assert_frame_equal(shuffled, transitions(points, n_boot=0))


def test_points_keep_their_order_labels_and_places():
    points, classes = simulated(40)
    points = points.sample(frac=1, random_state=3, ignore_index=True)
    number = points["point_id"].str.removeprefix("plot ").astype(int).to_numpy()
    when = (points["year"] == 2018).to_numpy(dtype=int)
    points["habitat"] = np.array(PILOT, dtype=object)[classes[number, when]]
    points["x"] = np.where(when, 4e6 + number, np.nan)
    points.loc[(number == 5) & (when == 0), "habitat"] = None
    points.loc[points["point_id"] == "plot 7", "x"] = [1.0, 1.0]
    with pytest.warns(LucasMessage):
        found = changes(points)
    assert found["point_id"].tolist() == points["point_id"].drop_duplicates().tolist()
    assert found["predicted_to"].cat.categories.tolist() == list(PILOT)
    row = found.set_index("point_id").loc["plot 5"]
    assert pd.isna(row["reference_changed"])
    assert row["x"] == 4e6 + 5
    mine = found["point_id"].str.removeprefix("plot ").astype(int)
    known = found["reference_changed"].notna()
    differ = classes[mine, 0] != classes[mine, 1]
    assert (found.loc[known, "reference_changed"] == differ[known]).all()
    for end in ("from", "to"):
        confidence = points.set_index(["point_id", "year"])
        for row in found.itertuples():
            name = getattr(row, f"predicted_{end}")
            p = confidence.loc[(row.point_id, getattr(row, f"year_{end}")), f"p_{name}"]
            assert getattr(row, f"p_{end}") == p


def test_zeros_and_an_absent_class_make_no_gaps():
    rng = np.random.default_rng(4)
    classes = true_classes(80, [truth_of(0.2, 3)], rng)
    p = np.zeros((80, 2, 4))
    np.put_along_axis(p, classes[..., None], 1.0, axis=-1)  # as sure as can be, and never woody
    points = table_of(p)
    found = transitions(points, n_boot=200)
    assert found[["share", "low", "high"]].notna().all(axis=None)
    # Nothing is in doubt, so counting is right.
    assert found["share"].tolist() == pytest.approx(found["share_predicted"].tolist(), abs=1e-3)
    woody = found[(found["class_from"] == "woody") | (found["class_to"] == "woody")]
    assert woody["share"].max() < 1e-3
    # None of 80 points excludes up to 4.5 %.
    assert woody["high"].min() == pytest.approx(1 - 0.025 ** (1 / 80), abs=1e-9)
    table = changes(points)
    assert (table["verdict"] == "in doubt").sum() == 0
    assert ((table["verdict"] == "changed") == (classes[:, 0] != classes[:, 1])).all()


def test_few_points_cannot_tell():
    points, _ = simulated(20)
    with pytest.warns(LucasWarning, match="20 in 2012 and 2018"):
        assert changes(points)["p_changed"].notna().all()
    few = points[points["point_id"].isin([f"plot {i}" for i in range(9)])]
    with pytest.warns(LucasWarning, match="fewer than 10 change and doubt cannot be told apart"):
        table = changes(few)
    assert table["p_changed"].isna().all()
    assert table["likeliest_to"].isna().all()
    assert (table["verdict"] == "in doubt").all()
    with pytest.warns(LucasWarning, match="Few points"):
        found = transitions(few)
    assert found["n_predicted"].sum() == 9
    assert found[["share", "low", "high", "changed", "changed_high"]].isna().all(axis=None)
    with (
        pytest.raises(InputError, match="no estimated transitions to draw"),
        pytest.warns(LucasWarning),
    ):
        plot_transitions(few)


def test_closeups_do_not_matter(tmp_path):
    points, _ = simulated(40)
    photos = points.drop(columns="n_photos").assign(direction="P", status="ok")
    photos["path"] = [f"{i}.jpg" for i in range(len(photos))]
    closeups = photos.assign(direction="C", path=[f"{i}C.jpg" for i in range(len(photos))])
    closeups[column_names(list(PILOT))] = [1.0, 0.0, 0.0, 0.0]
    with pytest.warns(LucasMessage, match="close-up"):
        voted = vote(pd.concat([photos, closeups], ignore_index=True))
    pd.testing.assert_frame_equal(
        transitions(voted, n_boot=50), transitions(points, n_boot=50), check_like=True
    )


def test_tables_on_disk_give_the_same(tmp_path):
    points, _ = simulated(60)
    for ending in ("csv", "parquet"):
        file = write_table(points, tmp_path / f"points.{ending}")
        pd.testing.assert_frame_equal(changes(file), changes(points))
        pd.testing.assert_frame_equal(transitions(file, n_boot=50), transitions(points, n_boot=50))


def test_same_seed_same_intervals():
    points, _ = simulated(60)
    first = transitions(points, n_boot=50)
    pd.testing.assert_frame_equal(first, transitions(points, n_boot=50))
    assert not first["high"].equals(transitions(points, n_boot=50, seed=2)["high"])
    none = transitions(points, n_boot=0)
    assert none["high"].isna().all()
    assert none["share"].equals(first["share"])
    wide = transitions(points, n_boot=500, level=0.99)
    narrow = transitions(points, n_boot=500, level=0.5)
    assert total(wide)[3] > total(narrow)[3]


def test_time_grows_with_the_points_and_no_faster():
    few, many = simulated(625)[0], simulated(5000)[0]
    assert growth(lambda points: transitions(points, n_boot=100), few, many) < 16
    _, estimate, low, high = total(transitions(many))
    assert low < estimate < high
    assert high - low < 0.04


def test_probabilities_that_are_no_proportions_are_warned_of():
    points, _ = simulated(60)
    for table in (points.drop(columns="calibrated"), points.assign(calibrated=False)):
        for function in (changes, transitions):
            with pytest.warns(LucasWarning, match=rf"{function.__name__}\(\) takes probabilities"):
                function(table)


@pytest.mark.parametrize(
    ("change", "options", "said"),
    [
        (lambda t: t.drop(columns="year"), {}, "needs the column year"),
        (lambda t: t.drop(columns="predicted"), {}, r"needs the columns predicted and p_<class>"),
        (lambda t: t[t["year"] == 2012], {}, "none of 40 points was"),
        (lambda t: pd.concat([t, t]), {}, "must stand once in a year, but 80 rows repeat"),
        (lambda t: t, {"years": [2012, 2015]}, "which has 2012, 2018; got 2012, 2015"),
        (lambda t: t, {"years": [2012]}, "two or more campaigns"),
        (lambda t: t, {"years": 2012}, "two or more campaigns"),
        (lambda t: t, {"years": ["2012", "all"]}, "years must be several whole numbers"),
        (lambda t: t, {"class_shares": {"woody": 1}}, "a share to each class of the points"),
        (lambda t: t, {"class_shares": dict.fromkeys(PILOT, 0)}, r"class_shares\['artificial'\]"),
        (lambda t: t, {"sure": 0.5}, "sure must be a number, more than 0.5"),
        (lambda t: t, {"labelled": simulated(40)[0]}, "at least 30 classified rows .* it has 0"),
        (
            lambda t: t,
            {"labelled": table_of(np.full((9, 2, 2), 0.5), classes=["a", "b"])},
            "must have the classes of the points",
        ),
    ],
)
def test_what_cannot_be_done_is_said(change, options, said):
    points, _ = simulated(40)
    with pytest.raises(InputError, match=said):
        changes(change(points), **options)


# --- pictures, report, shell ------------------------------------------------------------------


@pytest.mark.parametrize("width", ["single", "double"])
@pytest.mark.parametrize("years", [(2012, 2018), (2009, 2012, 2015, 2018)])
@pytest.mark.parametrize("names", [PILOT, HARD[:4], HARD], ids=["pilot", "hard", "twelve"])
def test_no_text_is_cut_off(names, years, width):
    k = len(names)
    rng = np.random.default_rng(1)
    classes = true_classes(150, [truth_of(0.2, k)] * (len(years) - 1), rng)
    table = transitions(table_of(calibrated(classes, rng, k), years, names), n_boot=20)
    figure = plot_transitions(table, width=width)
    assert cut_off(figure) == []
    assert {t.get_fontsize() for t in figure.findobj(matplotlib.text.Text) if t.get_text()} <= {8.0}
    drawn = [ax for ax in figure.axes if ax.axison]
    assert len(drawn) == len(years) - 1
    for ax in drawn:
        texts = [*ax.get_yticklabels(), ax._right_title]
        assert overlapping(texts, figure.canvas.get_renderer()) == []
        assert len(ax.get_yticklabels()) <= 12


def test_the_picture_shows_both_numbers(tmp_path):
    points, _ = simulated(200)
    table = transitions(points, n_boot=50)
    file = tmp_path / "t.svg"
    ax = plot_transitions(write_table(table, tmp_path / "t.csv"), out=file).axes[0]
    counted, estimate, low, high = (100 * v for v in total(table))
    said = ax.get_title(loc="right")
    assert "2012 to 2018, 200 points" in said
    assert f"{estimate:.1f} % ({low:.1f} to {high:.1f}) changed" in said
    assert f"{counted:.1f} % by counting" in said
    assert "by counting" in file.read_text(encoding="utf-8")
    largest = table[table["class_from"] != table["class_to"].astype(str)].nlargest(1, "share")
    a, b = largest[["class_from", "class_to"]].iloc[0]
    assert ax.get_yticklabels()[0].get_text() == f"{a} to {b}"


def photos_of(points):
    """Predictions of one photo a point and year."""
    photos = points.drop(columns="n_photos").assign(direction="P", status="ok", error="")
    photos["path"] = [f"nowhere/{i}.jpg" for i in range(len(photos))]
    return photos


def test_the_report_tells_of_the_years(tmp_path):
    points, _ = simulated(60)
    report(photos_of(points), tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "Over the years" in text
    found = pd.read_csv(tmp_path / "r_data" / "transitions.csv")
    wanted = transitions(points)
    assert found["share"].to_numpy() == pytest.approx(wanted["share"].to_numpy())
    assert f"{100 * wanted['changed'].iloc[0]:.1f} %" in text
    assert len(pd.read_csv(tmp_path / "r_data" / "changes.csv")) == 60
    assert "the model was not, or is not known to be, calibrated" not in text
    # Too few points, or one year: no such section.
    few = points[points["point_id"].isin([f"plot {i}" for i in range(9)])]
    for table in (few, points[points["year"] == 2018]):
        report(photos_of(table), tmp_path / "r.html")
        assert "Over the years" not in (tmp_path / "r.html").read_text(encoding="utf-8")
    report(photos_of(points.assign(calibrated=False)), tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "the model was not, or is not known to be, calibrated" in text


def test_from_the_shell(tmp_path, capsys, model):
    from lucas_habitat import save_model

    points, _ = simulated(60)
    write_table(points, tmp_path / "points.csv")
    shares = pd.DataFrame({"class": PILOT, "share": [0.1, 0.2, 0.3, 0.4]})
    write_table(shares, tmp_path / "shares.csv")
    folder = str(save_model(model, tmp_path / "model"))
    run = ["transitions", str(tmp_path / "points.csv"), "--out", str(tmp_path / "t.csv")]
    more = ["--changes", str(tmp_path / "c.csv"), "--plot", str(tmp_path / "t.png"), "--seed", "2"]
    with warnings.catch_warnings():
        assert main([*run, *more, "--class-shares", str(tmp_path / "shares.csv")]) == 0
        output = capsys.readouterr().out
        found = pd.read_csv(tmp_path / "t.csv")
        wanted = transitions(
            points, class_shares=dict(zip(PILOT, shares["share"], strict=True)), seed=2
        )
        numbers = ["share", "low", "high", "changed", "changed_high"]
        assert found[numbers].to_numpy() == pytest.approx(wanted[numbers].to_numpy())
        _, estimate, low, high = (100 * v for v in total(wanted))
        assert f"2012 to 2018: {estimate:.1f} % ({low:.1f} to {high:.1f}) changed" in output
        assert set(pd.read_csv(tmp_path / "c.csv")["verdict"]) <= {"same", "changed", "in doubt"}
        assert (tmp_path / "t.png").stat().st_size > 10_000
        assert main([*run, "--model", folder, "--years", "2012", "2018"]) == 0
        capsys.readouterr()
        assert main([*run, "--n-boot", "0"]) == 0
        write_table(points.groupby("year").head(5), tmp_path / "few.csv")
        assert main(["transitions", str(tmp_path / "few.csv"), *run[2:]]) == 0
        output = capsys.readouterr().out
        assert "2012 to 2018: unknown of 5 points" in output
        assert "nan" not in output
        assert main([*run, "--plot", str(tmp_path / "t.pdf")]) == 1
        assert main([*run, "--class-shares", str(tmp_path / "points.csv")]) == 1
    assert "needs the column class" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("labels", "told"), [("one class", "one class only"), ("all right", "all as predicted")]
)
def test_labels_that_cannot_tell_the_sharpness_are_not_used(labels, told):
    rng = np.random.default_rng(3)
    classes = true_classes(300, [truth_of(0.0)], rng)
    points = table_of(calibrated(classes, rng))
    truth = pd.Series(np.array(PILOT)[classes.T.ravel()])
    points["habitat"], predicted = truth, points["predicted"].astype("str")
    kept = truth == truth.iloc[0] if labels == "one class" else predicted == truth
    labelled = points[kept].head(40)
    mute = points.drop(columns="habitat").assign(
        habitat=truth.where(points.index.isin(labelled.index))
    )
    with pytest.warns(LucasWarning, match=told):
        found = changes(mute)
    assert found.attrs["sharpness"] == 1.0
    with pytest.raises(InputError, match=told):
        changes(mute.drop(columns="habitat"), labelled=labelled)


@pytest.mark.filterwarnings("ignore::lucas_habitat.errors.LucasWarning")
@pytest.mark.filterwarnings("ignore::lucas_habitat.errors.LucasMessage")
def test_transitions_and_changes_together_are_those_of_each():
    points, _ = simulated(60)
    together = transitions_and_changes(points, None, "report()")
    pd.testing.assert_frame_equal(together.transitions, transitions(points))
    pd.testing.assert_frame_equal(together.changes, changes(points))


# What is taken for granted


def test_class_shares_come_from_calibrated_points_or_are_asked_for():
    points, _ = simulated(200, 0.1, 1)
    with pytest.warns(LucasMessage, match="Class shares are not known, and taken as equal"):
        transitions(points, n_boot=0)
    shares = "shares 0.4000/0.3000/0.2000/0.1000"
    text = f"{shares}, mean 0.5{'/0.0' * 4}, product 0.5{'/0.0' * 4}"
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Class shares", LucasMessage)
        carried = transitions(points.assign(vote_calibration=text), n_boot=0)
        named = dict(zip(PILOT, (0.4, 0.3, 0.2, 0.1), strict=True))
        given = transitions(points, class_shares=named, n_boot=0)
    np.testing.assert_allclose(carried["share"], given["share"])


def test_the_vote_decides_what_is_warned_of():
    points, _ = five_photos(60, 0.1, 1)
    points = points.drop(columns="habitat")
    with pytest.warns(LucasWarning, match="change is underestimated"):
        transitions(points, n_boot=0)
    points.attrs["method"] = "product"
    with pytest.warns(LucasWarning, match="change is overestimated"):
        transitions(points, n_boot=0)


def test_the_doubt_of_few_labels_is_in_the_interval():
    points, _ = five_photos(1500, 0.2, 1)
    points = points.drop(columns="habitat")

    def width(n):
        labelled, _ = five_photos(n, 0.0, 3)
        labelled = labelled.drop_duplicates("point_id")
        found = transitions(points, labelled=labelled, n_boot=200)
        return np.subtract(*total(found)[:1:-1])

    assert width(40) > 1.5 * width(2000)


def persistent(n, change, persisting, seed):
    """Points seen twice whose errors are the place's own, as far as they persist."""
    rng = np.random.default_rng(seed)
    classes = true_classes(n, [truth_of(change)], rng)
    skill = 1.7
    x = rng.normal(size=(n, 1, 4)) * persisting**0.5
    x = x + rng.normal(size=(n, 2, 4)) * (1 - persisting) ** 0.5
    x[np.arange(n)[:, None], [[0, 1]], classes] += skill
    p = np.exp(skill * x)
    labels = np.array(PILOT, dtype=object)[classes.T.ravel()]
    return table_of(p / p.sum(axis=-1, keepdims=True)).assign(habitat=labels)


def test_errors_that_persist_are_warned_of_and_labels_tell_the_change():
    points = persistent(1200, 0.2, 1.0, 4)
    few = points["point_id"].isin(points["point_id"].unique()[:200])
    points["habitat"] = points["habitat"].where(few)
    with pytest.warns(LucasWarning, match=r"Errors persist between 2012 and 2018: \d+ of"):
        found = transitions(points, n_boot=100).iloc[0]
    assert found["n_labelled"] == 200
    assert found["changed_high"] < 0.2  # errors that persist hide change
    assert found["changed_labels_low"] < 0.2 < found["changed_labels_high"]


def test_errors_that_do_not_persist_are_not_warned_of():
    points = persistent(600, 0.1, 0.0, 5)
    found = transitions(points, n_boot=0).iloc[0]
    really = points.groupby("point_id")["habitat"].nunique() == 2
    assert found["n_labelled"] == 600
    assert found["changed_labels"] == pytest.approx(really.mean(), abs=0.01)


def test_without_labels_in_both_years_independence_is_said_to_be_taken_for_granted():
    points, _ = simulated(100, 0.1, 1)
    with pytest.warns(LucasMessage, match="are too few to show it"):
        found = transitions(points, n_boot=0).iloc[0]
    assert found["n_labelled"] == 0
    assert np.isnan(found["changed_labels"])

"""The line that the survey burns into its photos: a model must not be able to read the year there."""

import numpy as np
import pytest
from PIL import Image

from lucas_habitat import classify, draw_demo_photos, evaluate, list_photos, split_photos, train
from lucas_habitat.images.decode import CREDIT_SHARE, Preprocessing, decode_photo


@pytest.fixture(scope="module")
def of_two_looks(tmp_path_factory):
    """Drawn photos whose line has the look of before 2015 or since, half each; the class is that."""
    folder = draw_demo_photos(
        tmp_path_factory.mktemp("drawn") / "photos",
        n_points=80,
        size=(640, 480),
        seed=3,
        progress=False,
    )
    photos = list_photos(folder, labels=False)
    photos["habitat"] = np.where(photos["year"] < 2015, "one line", "two lines")
    return split_photos(photos, test_size=0.4, seed=1)


def telling_years(parts, credit):
    # Large enough for a frozen network to read the line; at 224 pixels it hardly can.
    model = train(
        parts[0],
        arch="efficientnet_lite0",
        target_size=320,
        epochs=40,
        credit=credit,
        progress=False,
    )
    assert model.card()["preprocessing"]["credit"] == credit
    return evaluate(classify(parts[1], model, progress=False))


@pytest.mark.slow  # a minute
@pytest.mark.filterwarnings(
    "ignore:[0-9]+ of:lucas_habitat.errors.LucasWarning"
)  # broken on purpose
def test_a_model_can_cheat_on_the_year_unless_the_line_is_masked(of_two_looks):
    keep = telling_years(of_two_looks, "keep")
    assert keep.kappa_interval[0] > 0.1  # 0.6 or so
    low, high = telling_years(of_two_looks, "mask").kappa_interval
    assert low < 0 < high  # no better than chance
    assert high < keep.kappa


def test_masked_photos_of_two_years_are_the_same_to_the_last_pixel(tmp_path, monkeypatch):
    # The same drawing, with the line of another year.
    from lucas_habitat.images import drawn as demo_photos

    drawn, line = {}, demo_photos._credit
    for year in (2009, 2018):
        monkeypatch.setattr(demo_photos, "_credit", lambda _, high, year=year: line(year, high))
        folder = draw_demo_photos(
            tmp_path / str(year), n_points=4, size=(1600, 1200), progress=False
        )
        # The first photo of each class that is no broken one.
        drawn[year] = [p for p in sorted(folder.glob("*/*.jpg")) if p.stat().st_size > 1e5][:3]
    for one, other in zip(drawn[2009], drawn[2018], strict=True):
        a, b = one.read_bytes(), other.read_bytes()
        keep = Preprocessing(credit="keep", decoder="pillow")
        assert (decode_photo(a, keep) != decode_photo(b, keep)).any()
        for credit in ("mask", "crop"):
            how = Preprocessing(credit=credit, decoder="pillow")
            # JPEG's blocks of 8 pixels spread a trace of the line beyond it.
            difference = decode_photo(a, how).astype(int) - decode_photo(b, how)
            assert np.abs(difference).max() <= 2


@pytest.mark.parametrize("year", [2006, 2015, 2018])
def test_the_line_of_real_photos_lies_within_what_is_masked(shared, year):
    paths = sorted((shared / "data" / "lucas" / "photos" / str(year)).rglob("*.jpg"))
    assert len(paths) == 6
    steps = []
    for path in paths:
        with Image.open(path) as image:
            grey = np.asarray(image.convert("L").resize((1600, 1200)), float)
        steps.append(np.diff(grey[1020:, :800], axis=1))
    # Letters have sharp edges, to the same side at the same places in all photos of a year.
    common = (np.array(steps) > 20).all(axis=0) | (np.array(steps) < -20).all(axis=0)
    rows = np.flatnonzero(common.sum(axis=1) >= 5)
    assert len(rows) > 10, "the line was not found"
    top = 1020 + rows[0]
    assert 0.05 < 1 - top / 1200 < CREDIT_SHARE - 0.01

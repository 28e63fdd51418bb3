"""The line that the survey burns into its photos: a model must not be able to read the year there."""

import io

import numpy as np
import pytest
from PIL import Image

from lucas_habitat import classify, draw_demo_photos, evaluate, list_photos, split_photos, train
from lucas_habitat.errors import PhotoError
from lucas_habitat.images import drawn as demo_photos
from lucas_habitat.images.credit_line import fill_corner, has_line, line_score
from lucas_habitat.images.decode import CREDIT_SHARE, Preprocessing, decode_photo

KEEP, HIDE = Preprocessing(credit="keep"), Preprocessing(credit="hide")
#: Where lines of all years stand, from the bottom and from the left, as shares of the height.
HIGH, WIDE = 28 / 300, 112 / 300


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


@pytest.mark.slow  # two minutes
@pytest.mark.filterwarnings(
    "ignore:[0-9]+ of:lucas_habitat.errors.LucasWarning"
)  # broken on purpose
def test_a_model_can_cheat_on_the_year_unless_the_line_is_hidden_or_masked(of_two_looks):
    keep = telling_years(of_two_looks, "keep")
    assert keep.kappa_interval[0] > 0.1  # 0.6 or so
    for credit in ("hide", "mask"):
        low, high = telling_years(of_two_looks, credit).kappa_interval
        assert low < 0 < high  # no better than chance
        assert high < keep.kappa


def test_photos_of_two_years_are_the_same_to_the_last_pixel(tmp_path, monkeypatch):
    # The same drawing, with the line of another year.
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
        for credit in ("hide", "mask", "crop"):
            how = Preprocessing(credit=credit, decoder="pillow")
            # JPEG's blocks of 8 pixels spread a trace of the line beyond it.
            difference = decode_photo(a, how).astype(int) - decode_photo(b, how)
            assert np.abs(difference).max() <= 2


def readable(folder):
    """Photos in a folder that are no broken ones."""
    photos = [path.read_bytes() for path in sorted(folder.glob("*/*.jpg"))]
    for data in photos:
        try:
            decode_photo(data, KEEP)
        except PhotoError:
            continue
        yield data


def is_as_kept(data, **how):
    kept, hidden = (
        decode_photo(data, Preprocessing(credit=credit, **how)) for credit in ("keep", "hide")
    )
    return bool((kept == hidden).all())


@pytest.mark.parametrize("size", [(1600, 1200), (640, 480), (400, 300)])
def test_a_line_is_seen_where_one_stands_and_nowhere_else(tmp_path, monkeypatch, size):
    draw_demo_photos(tmp_path / "line", n_points=6, size=size, progress=False)
    having = list(readable(tmp_path / "line"))
    assert len(having) > 20
    assert not any(is_as_kept(data) for data in having)

    line = demo_photos._credit
    nothing = lambda year, high: Image.new("LA", line(year, high).size)  # noqa: E731
    monkeypatch.setattr(demo_photos, "_credit", nothing)
    draw_demo_photos(tmp_path / "none", n_points=6, size=size, progress=False)
    without = list(readable(tmp_path / "none"))
    assert len(without) == len(having)
    for decoder in ("simplejpeg", "pillow"):
        assert all(is_as_kept(data, decoder=decoder) for data in without)


@pytest.mark.parametrize("size", [96, 160, 224, 299, 448])
def test_lines_of_real_photos_are_hidden_whatever_the_size(shared, size):
    for path in sorted((shared / "data" / "lucas" / "photos").rglob("*.jpg")):
        data = path.read_bytes()
        how = {"size": size}
        kept = decode_photo(data, Preprocessing(credit="keep", **how)).astype(int)
        hidden = decode_photo(data, Preprocessing(credit="hide", **how))
        with Image.open(path) as image:
            wide = WIDE * image.height / image.width * size
        changed = np.abs(hidden - kept).max(axis=2) > 0
        assert changed.mean() > 0.01, path.name
        # All of it in the corner.
        rows, columns = np.nonzero(changed)
        assert rows.min() >= size * (1 - HIGH) - 2
        assert columns.max() <= wide + 2


def test_photos_without_a_line_are_not_touched(shared):
    scenes = sorted((shared / "data" / "scenes").rglob("*.jpg"))
    assert len(scenes) > 600
    touched = [path.name for path in scenes if not is_as_kept(path.read_bytes())]
    assert len(touched) <= 1, touched
    # On these the line stands at the left only.
    for path in (shared / "data" / "lucas" / "photos").rglob("*.jpg"):
        with Image.open(path) as image:
            mirrored = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        data = io.BytesIO()
        mirrored.save(data, "JPEG", quality=95)
        assert is_as_kept(data.getvalue()), path.name


def test_what_is_hidden_is_filled_from_beside_it():
    # Stripes up and down, that nothing but the line breaks.
    stripes = np.tile(np.repeat(np.arange(40, 200, 4, dtype=np.uint8), 40), (1200, 1))
    plain = Image.fromarray(stripes).convert("RGB")
    line = demo_photos._credit(2018, 1200)
    marked = plain.copy()
    marked.paste(line.convert("RGB"), (20, 1182 - line.height), line.getchannel("A"))
    assert has_line(marked)
    assert not has_line(plain)
    fill_corner(marked)
    wide, high = round(WIDE * 1200), round(HIGH * 1200)
    beside = stripes[-1, wide : 2 * wide][::-1]
    found = np.asarray(marked)
    assert (found[-high + 12 :, :wide, 0] == beside).all()
    assert (found[:-high] == stripes[0, :, None]).all()
    assert (found[:, wide:] == stripes[0, wide:, None]).all()
    # No hard edge above.
    assert np.abs(np.diff(found[-high - 3 :, :wide, 0].astype(int), axis=0)).max() < 20


def test_a_line_in_an_upright_photo_is_hidden(tmp_path):
    photo = demo_photos._plan(4, 1)[0]
    standing = Image.fromarray(np.full((1600, 1200, 3), 90, np.uint8))
    line = demo_photos._credit(photo.time.year, 1600)
    standing.paste(line.convert("RGB"), (14, 1576 - line.height), line.getchannel("A"))
    exif = demo_photos._exif(photo, np.random.default_rng(1), 6)
    standing.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "a.jpg", exif=exif)
    data = (tmp_path / "a.jpg").read_bytes()
    assert np.ptp(decode_photo(data, KEEP)) > 60
    assert np.ptp(decode_photo(data, HIDE)) <= 2


def test_a_line_is_scored_alike_in_an_image_and_in_its_array():
    rng = np.random.default_rng(1)
    for height, width in ((240, 320), (300, 400), (384, 512)):  # enlarged, as it is, shrunk
        photo = rng.integers(0, 255, (height, width, 3), np.uint8)
        score = line_score(photo)
        assert np.isfinite(score)
        assert line_score(Image.fromarray(photo)) == score


def test_a_photo_too_narrow_for_a_line_is_left_alone():
    for size in ((100, 300), (300, 20), (16, 16), (4000, 16)):
        assert not has_line(Image.new("RGB", size, (90, 120, 60)))


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

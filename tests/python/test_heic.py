"""HEIC photos: upright, in their colours and places; without pillow-heif, rows that say what to do."""

import io
import os
import struct
import subprocess
import sys

import numpy as np
import pillow_heif
import pytest
from conftest import COLOURS, colour_photo
from PIL import Image
from test_geotags import NOON, locate, position
from test_images import (
    KEEP,
    PILLOW,
    STORED,
    assert_close,
    assert_upright,
    encoded,
    quarters,
    refused,
    smooth,
)

import lucas_habitat as lh
from lucas_habitat import cache as cache_module
from lucas_habitat import features as features_module
from lucas_habitat.cli import main
from lucas_habitat.engines import Target
from lucas_habitat.errors import (
    CalibrationError,
    InputError,
    LucasMessage,
    LucasWarning,
    PhotoError,
    RefusedWarning,
)
from lucas_habitat.features import extract_features
from lucas_habitat.images.decode import Preprocessing, decode_photo, thumbnail
from lucas_habitat.images.heic import NO_HEIC, heic_version
from lucas_habitat.networks.backbones import load_backbone

pytestmark = pytest.mark.filterwarnings("ignore::lucas_habitat.errors.LucasMessage")
HOW_TO = r'photos cannot be read\. .* pip install "lucas-habitat\[heic\]"'


def heic(image, exif=None, **options):
    """A HEIC file as phones write it."""
    buffer = io.BytesIO()
    made = pillow_heif.from_pillow(image)
    made.save(buffer, **{"quality": 90, "exif": exif.tobytes() if exif else None} | options)
    return buffer.getvalue()


def with_tags(orientation=1, gps=None, taken=None):
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif.get_ifd(0x8769).update({0x9003: taken} if taken else {})
    exif.get_ifd(0x8825).update(gps or {})
    return exif


def said(data, real, size):
    """The same file with another size in its head."""
    before, after = (b"ispe\0\0\0\0" + struct.pack(">II", *s) for s in (real, size))
    assert before in data
    return data.replace(before, after)


@pytest.fixture
def missing(monkeypatch):
    """As if pillow-heif were not installed."""
    monkeypatch.setitem(sys.modules, "pillow_heif", None)


# Pixels


@pytest.mark.parametrize("how", [KEEP, PILLOW], ids=["simplejpeg", "pillow"])
def test_heic_is_the_picture_that_a_png_holds(how):
    photo = smooth(640, 480)
    data = heic(photo)
    assert data[4:12] == b"ftypheic"
    assert_close(
        decode_photo(data, how), decode_photo(encoded(photo, "PNG"), how), mean=1.5, most=8
    )


def test_ten_bits_are_scaled_not_clipped():
    photo = smooth()
    buffer = io.BytesIO()
    values = np.asarray(photo).astype(np.uint16) * 257
    pillow_heif.encode("RGB;16", photo.size, values.tobytes(), buffer, quality=90)
    assert pillow_heif.open_heif(buffer).info["bit_depth"] == 10
    expected = decode_photo(encoded(photo, "PNG"), KEEP)
    assert_close(decode_photo(buffer.getvalue(), KEEP), expected, mean=1.5, most=8)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_heic(dtype):
    most = np.iinfo(dtype).max
    ramp = np.tile(np.linspace(0, most, 224).round().astype(dtype), (224, 1))
    found = decode_photo(heic(Image.fromarray(ramp)), KEEP)
    expected = np.repeat((ramp / (most / 255)).round()[..., None], 3, axis=2)
    assert_close(found, expected, mean=1.5, most=8)


@pytest.mark.parametrize(("mode", "colour"), [("RGBA", (0, 100, 200)), ("RGBa", (0, 20, 40))])
def test_transparent_heic_is_laid_on_white(mode, colour):
    buffer = io.BytesIO()
    pixels = bytes([*colour, 51]) * 64 * 64
    pillow_heif.encode(mode, (64, 64), pixels, buffer, quality=-1, chroma=444)
    assert pillow_heif.open_heif(buffer).mode == mode
    found = decode_photo(buffer.getvalue(), KEEP)
    assert_close(found, np.full_like(found, (204, 224, 244)), mean=2, most=4)


@pytest.mark.parametrize("orientation", STORED)
def test_heic_is_turned_upright_once(orientation, tmp_path):
    turn = STORED[orientation]
    image = quarters() if turn is None else quarters().transpose(turn)
    path = tmp_path / "a.heic"
    path.write_bytes(heic(image, with_tags(orientation)))
    assert_upright(decode_photo(path.read_bytes(), KEEP))
    assert thumbnail(str(path), 100).shape == (75, 100, 3)


def test_heic_is_turned_by_its_own_turn_not_by_what_its_exif_still_says():
    data = heic(quarters(), with_tags(1))
    tag = struct.pack(">HHIH", 0x0112, 3, 1, 1)
    if tag not in data:
        tag = struct.pack("<HHIH", 0x0112, 3, 1, 1)
    assert data.count(tag) == 1
    left = data.replace(tag, tag[:-2] + tag[-2:].replace(b"\x01", b"\x06"))
    assert pillow_heif.open_heif(left).info["exif"] != pillow_heif.open_heif(data).info["exif"]
    assert_upright(decode_photo(left, KEEP))


def test_of_several_pictures_the_primary_one_counts():
    several = pillow_heif.HeifFile()
    for image in (smooth(), quarters(), smooth(96, 72)):
        several.add_from_pillow(image)
    buffer = io.BytesIO()
    several.save(buffer, primary_index=1, quality=90)
    assert len(pillow_heif.open_heif(buffer)) == 3
    assert_upright(decode_photo(buffer.getvalue(), KEEP))


def test_a_picture_in_tiles_as_phones_write_it():
    data = heic(quarters(640, 480), tile_size=256)
    assert pillow_heif.open_heif(data).info["tiling"]["num_columns"] == 3
    assert_upright(decode_photo(data, KEEP))


def test_nobody_else_s_pillow_learns_heic(tmp_path):
    (tmp_path / "a.heic").write_bytes(heic(quarters()))
    code = (
        "import sys, PIL.Image, lucas_habitat.images.decode as images\n"
        "print('pillow_heif' in sys.modules)\n"
        "images.thumbnail(sys.argv[1], 50)\n"
        "PIL.Image.init()\n"
        "print('pillow_heif' in sys.modules, 'HEIF' in PIL.Image.OPEN)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a.heic")]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "True", "False"]


# Names that say something else


def test_the_content_counts_not_the_name(tmp_path):
    exif = with_tags(gps=position(55.5, 12.5), taken=NOON)
    (tmp_path / "a.jpg").write_bytes(heic(quarters(), exif))
    (tmp_path / "b.heic").write_bytes(encoded(quarters(), exif=exif))
    for name in ("a.jpg", "b.heic"):
        assert_upright(decode_photo((tmp_path / name).read_bytes(), KEEP))
    assert list(locate(tmp_path)["status"]) == ["ok", "ok"]


# Bad files


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_truncated_heic(share):
    data = heic(smooth(800, 600))
    status, message = refused(data[: int(len(data) * share)])
    assert status == "damaged"
    assert "end of file" in message
    assert message == message.strip()


def test_a_heic_cut_in_its_header():
    assert refused(heic(quarters())[:100])[0] == "damaged"
    assert refused(heic(quarters())[:12])[0] == "damaged"


def test_every_kind_of_broken_heic_has_a_reason():
    whole = heic(smooth(64, 64))
    rng = np.random.default_rng(1)
    for _ in range(200):
        data = bytearray(whole)
        for at in rng.integers(12, len(data), 8):
            data[at] = rng.integers(0, 256)
        try:
            status = "ok" if decode_photo(bytes(data), KEEP).shape == (224, 224, 3) else "odd"
        except PhotoError as error:  # anything else fails the test
            status = error.status
        assert status in ("ok", "damaged", "too large", "too small")


def test_a_heic_too_small():
    status, message = refused(heic(Image.new("RGB", (15, 64))))
    assert status == "too small"
    assert "15 x 64 pixels" in message


def test_a_heic_of_more_pixels_than_are_safe_is_refused_undecoded(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000)
    monkeypatch.setattr(pillow_heif.HeifImageFile, "load", None)
    message = "20,200 pixels; at most 20,000 are decoded"
    assert refused(heic(smooth(202, 100))) == ("too large", message)


def test_the_limit_is_pillows_own(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000)
    assert decode_photo(heic(smooth(200, 100)), KEEP).shape == (224, 224, 3)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert decode_photo(heic(smooth(202, 100)), KEEP).shape == (224, 224, 3)


def test_a_heic_that_says_30000_by_30000_is_refused_undecoded(monkeypatch):
    monkeypatch.setattr(pillow_heif.HeifImageFile, "load", None)
    status, message = refused(said(heic(smooth()), (320, 240), (30_000, 30_000)))
    assert status == "too large"
    assert "900,000,000 pixels" in message


def test_a_large_picture_behind_a_small_crop_is_found(monkeypatch):
    data = heic(smooth(201, 101))  # the encoder pads to 202 x 102 and crops
    at = data.index(b"clap") + 4
    crop = struct.pack(">8I", 32, 1, 32, 1, 0, 1, 0, 1)
    data = data[:at] + crop + data[at + 32 :]
    assert pillow_heif.open_heif(data).size == (32, 32)
    assert decode_photo(data, KEEP).shape == (224, 224, 3)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000)
    assert refused(data) == ("too large", "20,604 pixels; at most 20,000 are decoded")


def test_a_large_picture_that_says_it_is_small_is_found(monkeypatch):
    tiles = said(heic(smooth(600, 500), tile_size=256), (600, 500), (100, 100))
    assert pillow_heif.open_heif(tiles).size == (100, 100)
    assert refused(tiles)[0] == "damaged"
    assert refused(said(heic(smooth(600, 500)), (600, 500), (100, 100)))[0] == "damaged"
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100_000)
    assert refused(tiles) == ("too large", "300,000 pixels; at most 200,000 are decoded")


# Place and time


def test_place_and_time_are_read_without_decoding(tmp_path, monkeypatch):
    gps = position(55.68123, 12.57123) | {16: "T", 17: 92.0}
    path = tmp_path / "IMG_0001.HEIC"
    path.write_bytes(heic(quarters(), with_tags(6, gps, NOON)))
    monkeypatch.setattr(pillow_heif.HeifImageFile, "load", None)
    table = locate(tmp_path)
    row = table.iloc[0]
    assert (row["status"], row["error"]) == ("ok", "")
    assert (row["lat"], row["lon"]) == pytest.approx((55.68123, 12.57123), abs=1e-6)
    assert row["point_id"] == "N55.68123E012.57123"
    assert (row["datetime"], row["year"], row["direction"]) == ("2023-06-01T12:00:00", 2023, "E")


def test_broken_exif_does_not_cost_the_photo(tmp_path):
    path = tmp_path / "a.heic"
    made = pillow_heif.from_pillow(quarters())
    made.info["exif"] = b"Exif\0\0garbagegarbage"
    made.save(path, quality=90)
    assert_upright(decode_photo(path.read_bytes(), KEEP))
    with pytest.warns(LucasWarning, match="None of 1 photos has a position"):
        assert list(locate(path)["status"]) == ["no position"]


# The whole way


@pytest.fixture(scope="module")
def phone_folder(tmp_path_factory):
    """Class folders of HEIC photos, as a phone names them."""
    folder = tmp_path_factory.mktemp("iPhone på ø")
    for c, habitat in enumerate(COLOURS):
        (folder / habitat).mkdir()
        for i in range(8):
            gps = position(55 + 0.01 * i, 12 + 0.1 * c)
            photo = heic(colour_photo(habitat, 100 * c + i), with_tags(1, gps, NOON))
            (folder / habitat / f"IMG_{c}{i:03d}.HEIC").write_bytes(photo)
    return folder


def test_from_a_phone_s_folder_to_an_evaluation(phone_folder, tmp_path):
    photos = locate(phone_folder)
    assert photos["point_id"].nunique() == 32
    train, test = lh.split_photos(photos, test_size=0.25, seed=1)
    model = lh.train(train, arch="efficientnet_lite0", progress=False)
    assert model.training["refused"] == {}
    predictions = lh.classify(test, model, progress=False)
    assert (predictions["status"] == "ok").all()
    found = lh.evaluate(lh.vote(predictions))
    assert found.as_dict()["overall_accuracy"] > 0.7
    page = lh.report(predictions, tmp_path / "report.html", model=model)
    assert "data:image/jpeg;base64" in page.read_text("utf-8")


# The cache


@pytest.fixture
def counted(tmp_path, monkeypatch):
    """Features of files that are old enough to be known again; counts what is read and decoded."""
    monkeypatch.setenv("LUCAS_HABITAT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache_module, "_SETTLED_NS", -(10**18))
    counts = {"read": [], "decoded": 0}
    read, decode = features_module.read_bytes, features_module.decode_photo

    def counting_read(path):
        counts["read"].append(os.path.basename(path))
        return read(path)

    def counting_decode(*arguments):
        counts["decoded"] += 1
        return decode(*arguments)

    monkeypatch.setattr(features_module, "read_bytes", counting_read)
    monkeypatch.setattr(features_module, "decode_photo", counting_decode)
    backbone = load_backbone("efficientnet_lite0")

    def run(*names):
        counts.update(read=[], decoded=0)
        found = extract_features(
            [str(tmp_path / name) for name in names],
            backbone,
            Preprocessing(),
            Target("openvino", "cpu", "float32"),
            progress=False,
        )
        return found.status, sorted(counts["read"]), counts["decoded"]

    (tmp_path / "a.heic").write_bytes(heic(smooth(96, 72)))
    (tmp_path / "b.jpg").write_bytes(encoded(quarters(96, 72)))
    (tmp_path / "c.jpg").write_bytes(heic(quarters(96, 72)))
    (tmp_path / "d.heic").write_bytes(encoded(smooth(96, 72)))
    return run


NAMES = ("a.heic", "b.jpg", "c.jpg", "d.heic")


def test_a_second_time_nothing_is_decoded(counted):
    assert counted(*NAMES) == (["ok"] * 4, list(NAMES), 4)
    # A HEIC by another name is read again: its name does not tell on what its features hang.
    assert counted(*NAMES) == (["ok"] * 4, ["c.jpg"], 0)


def test_another_pillow_heif_decodes_heic_anew_and_nothing_else(counted, monkeypatch):
    counted(*NAMES)
    monkeypatch.setattr(pillow_heif, "__version__", "9.9.9")
    assert heic_version() == "9.9.9"
    assert counted(*NAMES) == (["ok"] * 4, ["a.heic", "c.jpg", "d.heic"], 2)


def test_installing_pillow_heif_costs_no_jpeg_its_features(counted, monkeypatch):
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "pillow_heif", None)
        assert counted("b.jpg") == (["ok"], ["b.jpg"], 1)
        assert counted("a.heic", "b.jpg") == (["unreadable", "ok"], ["a.heic"], 1)
    assert counted("a.heic", "b.jpg") == (["ok", "ok"], ["a.heic"], 1)
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "pillow_heif", None)
        assert counted("a.heic", "b.jpg") == (["unreadable", "ok"], ["a.heic"], 1)


# Without pillow-heif


@pytest.fixture
def mixed(tmp_path, phone_folder, photo_folder):
    """Two HEIC photos, of which one is called JPEG, and two that are JPEG."""
    heics, jpegs = sorted(phone_folder.glob("*/*.HEIC")), sorted(photo_folder.glob("*/*.jpg"))
    names = ["a.heic", "b.jpg", "c.jpg", "d.jpg"]
    for name, source in zip(names, [heics[0], heics[-1], jpegs[0], jpegs[-1]], strict=True):
        (tmp_path / name).write_bytes(source.read_bytes())
    return tmp_path


def test_heic_photos_are_listed_all_the_same(mixed, missing):
    for name in ("e.heif", "f.HIF"):
        (mixed / name).touch()
    names = [os.path.basename(p) for p in lh.list_photos(mixed)["path"]]
    assert names == ["a.heic", "b.jpg", "c.jpg", "d.jpg", "e.heif", "f.HIF"]
    assert len(lh.list_photos(str(mixed / "*.heic"))) == 1
    assert len(lh.list_photos(mixed / "a.heic")) == 1


def test_classified_they_are_rows_that_say_what_to_install(mixed, missing, model):
    with pytest.warns(LucasWarning, match="^2 " + HOW_TO) as caught:
        found = lh.classify(mixed, model, progress=False)
    assert len(caught) == 1
    assert list(found["status"]) == ["unreadable", "unreadable", "ok", "ok"]
    assert list(found["error"]) == [NO_HEIC, NO_HEIC, "", ""]
    assert found["predicted"].isna().tolist() == [True, True, False, False]


def test_located_they_are_rows_that_say_what_to_install(mixed, missing):
    with pytest.warns(LucasWarning) as caught:
        found = locate(mixed)
    told = [str(w.message) for w in caught if issubclass(w.category, LucasWarning)]
    assert len(told) == 2
    assert told[0] == f"2 photos cannot be read. {NO_HEIC}."
    assert told[1].startswith("None of 4 photos has a position")
    assert list(found["status"]) == ["unreadable", "unreadable", "no position", "no position"]
    assert list(found["error"][:2]) == [NO_HEIC, NO_HEIC]


def test_where_none_was_read_nothing_is_said_of_positions(mixed, missing):
    with pytest.warns(LucasWarning, match="^1 " + HOW_TO) as caught:
        locate(mixed / "a.heic")
    assert [w.category for w in caught] == [LucasMessage, RefusedWarning]


def test_training_and_calibrating_say_what_to_install(phone_folder, missing, model):
    with (
        pytest.warns(LucasWarning, match="^32 " + HOW_TO),
        pytest.raises(InputError, match="None of 32 photos could be read"),
    ):
        lh.train(phone_folder, arch="efficientnet_lite0", progress=False)
    with (
        pytest.warns(LucasWarning, match="^32 " + HOW_TO),
        pytest.warns(LucasWarning, match="32 of 32 photos were refused"),
        pytest.raises(CalibrationError),
    ):
        lh.calibrate(model, phone_folder, progress=False)


@pytest.mark.filterwarnings("ignore::lucas_habitat.errors.LucasWarning")
def test_the_shell_says_it_too(mixed, missing, model, tmp_path, capsys):
    lh.save_model(model, tmp_path / "model")
    command = ["classify", str(mixed), "--model", str(tmp_path / "model"), "--out"]
    assert main([*command, str(tmp_path / "out.csv")]) == 0
    text = capsys.readouterr()
    assert "2 photos classified" in text.out
    assert "2 unreadable" in text.out


def test_a_pillow_heif_that_does_not_load_counts_as_missing(monkeypatch):
    def fail(*arguments):
        raise ImportError("libheif.so: cannot open shared object file")

    data = heic(quarters())
    monkeypatch.setattr(pillow_heif, "HeifImageFile", fail)
    assert refused(data) == ("unreadable", NO_HEIC)

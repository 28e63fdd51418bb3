"""Photo files to arrays: every kind of file, upright and whole, or a reason why not."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from lucas_habitat.errors import InputError, PhotoError
from lucas_habitat.images.decode import (
    STATUSES,
    Preprocessing,
    decode_photo,
    preprocessing_from,
    thumbnail,
)
from lucas_habitat.sources import read_bytes

KEEP = Preprocessing(credit="keep")
PILLOW = Preprocessing(credit="keep", decoder="pillow")
RED, GREEN, BLUE, GREY = (200, 30, 30), (30, 160, 40), (40, 50, 190), (120, 120, 120)


def smooth(width=320, height=240):
    """A picture with nothing sharp in it: decoders and filters hardly differ on it."""
    y, x = np.mgrid[:height, :width] / np.array([height, width]).reshape(2, 1, 1)
    bands = [
        128 + 100 * np.sin(3 * x + 2 * y),
        128 + 90 * np.cos(4 * y),
        128 + 80 * np.sin(5 * x * y),
    ]
    return Image.fromarray(np.stack(bands, axis=2).round().astype(np.uint8))


def quarters(width=320, height=240):
    """Red, green / blue, grey: which way is up shows at a glance."""
    array = np.empty((height, width, 3), np.uint8)
    h, w = height // 2, width // 2
    array[:h, :w], array[:h, w:], array[h:, :w], array[h:, w:] = RED, GREEN, BLUE, GREY
    return Image.fromarray(array)


def encoded(image, format="JPEG", **options):
    if format in ("JPEG", "WEBP", "MPO"):
        options = {"quality": 95} | options
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def corners(array):
    """The colours in the middle of the four quarters, in reading order."""
    q = len(array) // 4
    return [array[y, x].astype(int) for y in (q, 3 * q) for x in (q, 3 * q)]


def assert_upright(array, tolerance=8):
    for found, expected in zip(corners(array), (RED, GREEN, BLUE, GREY), strict=True):
        assert np.abs(found - expected).max() <= tolerance


def assert_close(a, b, mean, most):
    difference = np.abs(a.astype(int) - b.astype(int))
    assert difference.mean() <= mean
    assert difference.max() <= most


def png_chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_claiming(width, height):
    head = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    body = png_chunk(b"IDAT", zlib.compress(bytes(1_000_000)))
    return b"\x89PNG\r\n\x1a\n" + head + body + png_chunk(b"IEND", b"")


def refused(data, how=KEEP):
    with pytest.raises(PhotoError) as caught:
        decode_photo(data, how)
    assert caught.value.status in STATUSES
    return caught.value.status, str(caught.value)


# Files of every kind


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "BMP", "WEBP"])
@pytest.mark.parametrize("how", [KEEP, PILLOW], ids=["simplejpeg", "pillow"])
def test_formats(format, how):
    array = decode_photo(encoded(quarters(), format), how)
    assert array.shape == (224, 224, 3)
    assert array.dtype == np.uint8
    assert_upright(array)


def test_mpo_of_two_pictures_shows_the_first():
    data = encoded(quarters(), "MPO", save_all=True, append_images=[smooth()])
    assert Image.open(io.BytesIO(data)).format == "MPO"
    assert_upright(decode_photo(data, KEEP))


@pytest.mark.parametrize("how", [KEEP, PILLOW], ids=["simplejpeg", "pillow"])
@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_grey_becomes_three_equal_bands(format, how):
    grey = quarters().convert("L")
    array = decode_photo(encoded(grey, format), how)
    assert (array[..., 0] == array[..., 1]).all()
    assert (array[..., 0] == array[..., 2]).all()
    expected = [grey.getpixel((x, y)) for y in (60, 180) for x in (80, 240)]
    assert_close(np.array(corners(array))[:, 0], np.array(expected), 3, 6)


def test_cmyk_jpeg():
    data = encoded(quarters().convert("CMYK"))
    assert Image.open(io.BytesIO(data)).mode == "CMYK"
    assert_upright(decode_photo(data, KEEP))


def test_transparency_is_laid_on_white():
    image = quarters().convert("RGBA")
    image.putalpha(Image.fromarray(np.tile(np.uint8([[255] * 160 + [0] * 160]), (240, 1))))
    found = corners(decode_photo(encoded(image, "PNG"), KEEP))
    assert np.abs(found[0] - RED).max() <= 1
    assert (found[1] == 255).all()
    assert (found[3] == 255).all()


def test_half_transparency_is_mixed_with_white():
    image = Image.new("RGBA", (64, 64), (0, 100, 200, 51))
    array = decode_photo(encoded(image, "PNG"), KEEP)
    assert_close(array, np.full_like(array, (204, 224, 244)), 1, 1)


def test_grey_with_alpha_is_laid_on_white():
    array = decode_photo(encoded(Image.new("LA", (64, 64), (10, 0)), "PNG"), KEEP)
    assert (array == 255).all()


def test_palette_with_a_transparent_colour_is_laid_on_white():
    image = Image.new("P", (64, 64), 0)
    image.putpalette([0, 0, 0, 200, 30, 30])
    image.paste(1, (0, 0, 32, 64))
    found = corners(decode_photo(encoded(image, "PNG", transparency=0), KEEP))
    assert (found[0] == RED).all()
    assert (found[1] == 255).all()


def test_palette_without_transparency():
    image = quarters().convert("P", palette=Image.Palette.ADAPTIVE)
    assert_upright(decode_photo(encoded(image, "PNG"), KEEP))


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_not_clipped(format):
    ramp = np.tile(np.linspace(0, 65535, 224).round().astype(np.uint16), (224, 1))
    image = Image.fromarray(ramp)
    assert image.mode == "I;16"
    array = decode_photo(encoded(image, format), KEEP)
    expected = np.repeat((ramp / 257).round()[..., None], 3, axis=2)
    assert_close(array, expected, 0, 0)


def test_floating_point_tiff_is_stretched():
    ramp = np.tile(np.linspace(-1, 3, 224, dtype=np.float32), (224, 1))
    array = decode_photo(encoded(Image.fromarray(ramp), "TIFF"), KEEP)
    assert (array[0, 0] == 0).all()
    assert (array[0, -1] == 255).all()
    assert (array[0, 112] == 128).all()


def test_black_and_white_tiff():
    image = Image.new("1", (64, 64), 1)
    assert (decode_photo(encoded(image, "TIFF"), KEEP) == 255).all()


# Upright

# What brings the upright picture into the state that each orientation undoes.
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def stored(orientation, format):
    turn = STORED[orientation]
    image = quarters() if turn is None else quarters().transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(image, format, exif=exif)


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("how", [KEEP, PILLOW], ids=["simplejpeg", "pillow"])
def test_jpeg_is_turned_upright(orientation, how):
    assert_upright(decode_photo(stored(orientation, "JPEG"), how))


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("format", ["TIFF", "PNG", "WEBP"])
def test_other_formats_are_turned_upright_once(orientation, format):
    assert_upright(decode_photo(stored(orientation, format), KEEP))


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_turns_nothing(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert_upright(decode_photo(encoded(quarters(), exif=exif), KEEP))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0",
        b"Exif\0\0garbagegarbage",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\x01" * 40,
    ],
)
def test_broken_exif_does_not_cost_the_photo(exif):
    assert_upright(decode_photo(encoded(quarters(), exif=exif), KEEP))


def test_broken_exif_does_not_cost_a_png():
    data = encoded(quarters(), "PNG", exif=b"garbagegarbage")
    with pytest.raises(SyntaxError):
        Image.open(io.BytesIO(data)).getexif()
    assert_upright(decode_photo(data, KEEP))


def test_the_credit_line_is_masked_in_the_upright_picture():
    array = decode_photo(stored(6, "JPEG"), Preprocessing(credit="mask"))
    assert (array[-10:] == 128).all()
    assert np.abs(array[10, 56].astype(int) - RED).max() <= 8


# Bad files


@pytest.mark.parametrize("how", [KEEP, PILLOW], ids=["simplejpeg", "pillow"])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_truncated_jpeg(how, share):
    data = encoded(smooth(800, 600))
    status, message = refused(data[: int(len(data) * share)], how)
    assert status == "damaged"
    assert "truncated" in message


@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP", "BMP"])
def test_other_truncated_files(format):
    data = encoded(smooth(), format)
    assert refused(data[: len(data) // 2])[0] in ("damaged", "not a photo")


def test_a_jpeg_cut_in_its_header():
    assert refused(encoded(quarters())[:100])[0] in ("damaged", "not a photo")


def test_every_kind_of_broken_jpeg_has_a_reason():
    whole = encoded(smooth(64, 64))
    rng = np.random.default_rng(1)
    for _ in range(200):
        data = bytearray(whole)
        for at in rng.integers(0, len(data), 8):
            data[at] = rng.integers(0, 256)
        try:
            status = "ok" if decode_photo(bytes(data), KEEP).shape == (224, 224, 3) else "odd"
        except PhotoError as error:  # anything else fails the test
            status = error.status
        assert status in STATUSES


@pytest.mark.parametrize("data", [b"This is a text file.\n", b"\0" * 1000, b"GIF89a" + b"\0" * 50])
def test_something_else_called_jpg(data):
    status, message = refused(data)
    assert status == "not a photo"
    assert "begins with" in message


def test_zero_bytes_in_memory():
    assert refused(b"")[0] == "not a photo"


@pytest.mark.parametrize("size", [(1, 1), (15, 300), (300, 15)])
def test_a_photo_too_small(size):
    status, message = refused(encoded(Image.new("RGB", size)))
    assert status == "too small"
    assert f"{size[0]} x {size[1]} pixels" in message


def test_the_smallest_photo():
    assert decode_photo(encoded(Image.new("RGB", (16, 16)))).shape == (224, 224, 3)


def test_a_header_of_30000_by_30000_is_refused_undecoded(monkeypatch):
    resource = pytest.importorskip("resource")
    data = png_claiming(30_000, 30_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", None)
    status, message = refused(data)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kilobytes
    assert status == "too large"
    assert "900000000 pixels" in message


# Reading


def test_read_bytes_gives_the_files_content(tmp_path):
    path = tmp_path / "mit billede på øen.jpg"
    path.write_bytes(b"x" * 10)
    assert read_bytes(str(path)) == b"x" * 10


def unreadable(path):
    with pytest.raises(PhotoError) as caught:
        read_bytes(str(path))
    return caught.value.status, str(caught.value)


def test_a_missing_file(tmp_path):
    status, message = unreadable(tmp_path / "gone.jpg")
    assert status == "missing"
    assert "gone.jpg" in message


def test_a_file_of_zero_bytes(tmp_path):
    (tmp_path / "a.jpg").touch()
    assert unreadable(tmp_path / "a.jpg") == ("empty", "the file has 0 bytes")


def test_a_folder_called_jpg(tmp_path):
    (tmp_path / "a.jpg").mkdir()
    assert unreadable(tmp_path / "a.jpg") == ("unreadable", "is a folder")


def test_a_path_with_a_nul():
    status, message = unreadable("a\0b.jpg")
    assert status == "unreadable"
    assert "null" in message


def test_a_path_longer_than_any_file_system_allows():
    assert unreadable("x" * 5000)[0] in ("unreadable", "missing")


def test_a_file_of_a_gigabyte_is_not_read(tmp_path):
    path = tmp_path / "a.jpg"
    with path.open("wb") as file:
        file.truncate(10**9)  # sparse: takes no room
    status, message = unreadable(path)
    assert status == "too large"
    assert "1,000,000,000 bytes" in message


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_a_file_that_may_not_be_read(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(b"x")
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("root may read everything")
    assert unreadable(path)[0] == "unreadable"


# The credit line, size and filters


def test_mask_paints_the_bottom_nine_percent_grey_and_nothing_else():
    data = encoded(smooth())
    kept, masked = decode_photo(data, KEEP), decode_photo(data, Preprocessing(credit="mask"))
    edge = round(224 * 0.91)
    assert (masked[edge:] == 128).all()
    assert (masked[:edge] == kept[:edge]).all()
    assert not (kept[edge:] == 128).all()


def test_a_card_without_the_share_meant_seven_percent():
    how = Preprocessing(credit="mask")
    card = how.as_dict()
    assert preprocessing_from(card) == how
    del card["credit_share"]
    masked = decode_photo(encoded(smooth()), preprocessing_from(card))
    assert (masked[round(224 * 0.93) :] == 128).all()
    assert not (masked[round(224 * 0.91) : round(224 * 0.93)] == 128).all()


def test_crop_stretches_the_rest_over_the_whole():
    image = Image.new("RGB", (400, 400), RED)
    image.paste(BLUE, (0, 364, 400, 400))
    array = decode_photo(encoded(image, "PNG"), Preprocessing(credit="crop"))
    assert (array == RED).all()
    kept = decode_photo(encoded(image, "PNG"), KEEP)
    assert (kept[-10:] == BLUE).all()


@pytest.mark.parametrize("size", [32, 160, 299])
@pytest.mark.parametrize("credit", ["hide", "mask", "crop", "keep"])
def test_size(size, credit):
    data = encoded(quarters(), "JPEG")
    assert decode_photo(data, Preprocessing(size=size, credit=credit)).shape == (size, size, 3)


def test_a_whole_number_from_r_is_a_size():
    how = Preprocessing(size=64.0)
    assert how == Preprocessing(size=64)
    assert decode_photo(encoded(quarters()), how).shape == (64, 64, 3)


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_nearest_is_pillows_nearest_to_the_letter(format):
    rng = np.random.default_rng(3)
    noise = Image.fromarray(rng.integers(0, 256, (501, 907, 3), dtype=np.uint8))
    data = encoded(noise, format)
    expected = Image.open(io.BytesIO(data)).resize((224, 224), Image.Resampling.NEAREST)
    for decoder in ("simplejpeg", "pillow"):
        how = Preprocessing(resize="nearest", decoder=decoder, credit="keep")
        assert (decode_photo(data, how) == np.asarray(expected)).all()


def test_antialias_averages_where_nearest_picks():
    checks = np.indices((448, 448)).sum(axis=0) % 2 * 255
    data = encoded(Image.fromarray(checks.astype(np.uint8)), "PNG")
    assert np.ptp(decode_photo(data, KEEP)[4:-4, 4:-4]) <= 1
    picked = decode_photo(data, Preprocessing(resize="nearest", credit="keep"))
    assert set(np.unique(picked)) <= {0, 255}


@pytest.mark.parametrize("size", [(1600, 1200), (1200, 1600), (640, 480), (200, 150)])
def test_the_fast_decoder_differs_little_from_the_reference(size):
    data = encoded(smooth(*size), quality=90)
    assert_close(decode_photo(data, KEEP), decode_photo(data, PILLOW), mean=1, most=6)


def test_a_photo_is_squashed_not_cropped():
    assert_upright(decode_photo(encoded(quarters(900, 100), "PNG"), KEEP))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 31}, "target_size must be a whole number, at least 32 and at most 1024; got 31"),
        ({"size": 1025}, "target_size must be"),
        ({"size": 224.5}, "target_size must be"),
        ({"size": "224"}, "target_size must be"),
        ({"resize": "cubic"}, "resize must be one of 'antialias', 'nearest'; got 'cubic' instead"),
        ({"decoder": "opencv"}, "decoder must be one of 'simplejpeg', 'pillow'"),
        ({"credit": "blur"}, "credit must be one of 'hide', 'mask', 'crop', 'keep'"),
        ({"credit_share": 0.6}, "credit_share must be a number, at least 0 and at most 0.5"),
    ],
)
def test_unknown_options(options, message):
    with pytest.raises(InputError, match=message):
        Preprocessing(**options)


def test_preprocessing_goes_through_a_card():
    how = Preprocessing(size=160, resize="nearest", decoder="pillow", credit="crop")
    assert preprocessing_from(how.as_dict()) == how
    with pytest.raises(InputError, match=r"Unknown preprocessing.*sharpen"):
        preprocessing_from({"size": 224, "sharpen": True})


def test_a_thumbnail_is_upright_and_keeps_its_shape(tmp_path):
    pixels = np.zeros((60, 120, 3), dtype=np.uint8)
    pixels[:, :60] = (255, 0, 0)  # red on the left
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise: red comes on top
    Image.fromarray(pixels).save(tmp_path / "a.jpg", exif=exif, quality=95)
    small = thumbnail(str(tmp_path / "a.jpg"), 80)
    assert small.shape == (80, 40, 3)
    assert small[10, 20, 0] > 200
    assert small[70, 20, 0] < 50

"""Pictures made to do harm: memory is bounded, decoding ends, and each has a status and a reason."""

import io
import re
import struct
import subprocess
import sys
import threading
import zlib

import numpy as np
import pytest
from PIL import Image
from test_images import KEEP, assert_close, encoded, png_chunk, refused, smooth

from lucas_habitat.images import decode, large, limits
from lucas_habitat.images.decode import Preprocessing, decode_photo, open_image

#: What a process that reads any accepted picture may hold, with Python and its libraries.
MOST_MB = 600

MEASURE = """
import resource, sys
from pathlib import Path
from lucas_habitat.images.decode import decode_photo
from lucas_habitat.errors import PhotoError
data = open(sys.argv[1], "rb").read()
try:
    status = "ok" if decode_photo(data).shape == (224, 224, 3) else "odd"
except PhotoError as error:
    status = error.status
most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
if sys.platform == "linux":  # where that may be the most of the process that started this one
    lines = Path("/proc/self/status").read_text().splitlines()
    most = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
print(status, most // 1000)
"""


def rows_of(width, height, n_bytes):
    """A picture's rows as zlib has them, written without holding them; few bytes for many pixels."""
    packer = zlib.compressobj(1)
    row = (bytes(range(250)) * (width * n_bytes // 250 + 1))[: width * n_bytes]
    return packer, row, height


def flat_png(width, height, bits, colour, n_channels):
    packer, row, height = rows_of(width, height, n_channels * bits // 8)
    body = b"".join([packer.compress(b"\0" + row) for _ in range(height)] + [packer.flush()])
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", body), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


def flat_tiff(width, height, sample_format, more_tags=()):
    """32-bit grey in one strip: whole numbers (1, 2) or floats (3)."""
    packer, row, height = rows_of(width, height, 4)
    body = b"".join([packer.compress(row) for _ in range(height)] + [packer.flush()])
    tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 32), (259, 3, 1, 8), (262, 3, 1, 1),
            (273, 4, 1, 400), (277, 3, 1, 1), (278, 4, 1, height), (279, 4, 1, len(body)),
            (339, 3, 1, sample_format), *more_tags]  # fmt: skip
    head = b"II*\0" + struct.pack("<IH", 8, len(tags))
    head += b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return head.ljust(400, b"\0") + body


def flat(format, size, **options):
    return encoded(Image.new("RGB", size, (20, 30, 40)), format, **options)


def measured(data, folder):
    """The status and the megabytes at most of a process that reads a picture."""
    pytest.importorskip("resource")
    (folder / "picture").write_bytes(data)
    run = subprocess.run(
        [sys.executable, "-c", MEASURE, folder / "picture"],
        capture_output=True,
        text=True,
        check=True,
    )
    status, megabytes = run.stdout.rsplit(maxsplit=1)
    return status, int(megabytes)


# Memory


@pytest.mark.parametrize(
    "data",
    [
        lambda: flat_tiff(5000, 5000, 3),
        lambda: flat_tiff(5000, 5000, 2),
        lambda: flat_png(5500, 5500, 16, 0, 1),
    ],
    ids=["floats", "whole numbers", "16 bit"],
)
def test_a_picture_of_numbers_is_read_in_little_memory(data, tmp_path):
    status, megabytes = measured(data(), tmp_path)
    assert status == "ok"
    assert megabytes < MOST_MB


@pytest.mark.slow
@pytest.mark.parametrize(
    "data",
    [
        lambda: flat_tiff(8200, 7000, 3),
        lambda: flat_tiff(8200, 7000, 2),
        lambda: flat_png(13_300, 13_300, 16, 0, 1),
        lambda: flat_png(13_300, 13_300, 8, 0, 1),
        lambda: flat_png(10_000, 12_500, 8, 2, 3),
        lambda: flat_png(10_000, 12_400, 8, 6, 4),
        lambda: flat_png(10_000, 12_400, 8, 4, 2),
        lambda: flat("WEBP", (5600, 5600), lossless=True, quality=0, method=0),
        lambda: flat("JPEG", (13_300, 13_300)),
        lambda: flat("JPEG", (8000, 9000), progressive=True, subsampling=0),
        lambda: flat("JPEG", (13_000, 11_000), progressive=True),
        lambda: encoded(Image.new("CMYK", (13_300, 13_300)), "JPEG"),
        lambda: flat("BMP", (8000, 9000)),
    ],
    ids=["floats", "whole numbers", "16 bit", "grey", "png", "rgba", "la", "webp", "jpeg",
         "progressive 4:4:4", "progressive", "cmyk", "bmp"],
)  # fmt: skip
def test_the_largest_pictures_that_are_accepted(data, tmp_path):
    status, megabytes = measured(data(), tmp_path)
    assert status == "ok"
    assert megabytes < MOST_MB


@pytest.mark.parametrize(
    "data",
    [
        lambda: flat_tiff(13_300, 13_300, 3),
        lambda: flat_png(13_300, 13_300, 8, 6, 4),
        lambda: flat("JPEG", (13_300, 13_300), progressive=True),
    ],
    ids=["floats", "rgba", "progressive"],
)
def test_a_picture_that_takes_more_is_refused_undecoded(data, monkeypatch):
    given = data()
    monkeypatch.setattr(decode, "to_rgb", None)
    monkeypatch.setattr(decode, "_decode_scaled", None)
    status, message = refused(given)
    assert status == "too large"
    assert re.search(r"take [\d,]+ bytes", message)


MODES = ["L", "P", "LA", "RGBA", "CMYK", "I;16", "I", "F", "1", "RGB"]


def odd_photo(mode):
    grey = np.asarray(smooth(700, 500).convert("L"))
    if mode == "I;16":
        return encoded(Image.fromarray(grey.astype(np.uint16) * 250), "PNG")
    if mode in "IF":
        numbers = grey.astype({"I": np.int32, "F": np.float32}[mode]) * 200
        if mode == "F":
            numbers[3:9, 5:80] = np.nan
        return encoded(Image.fromarray(numbers), "TIFF")
    image = smooth(700, 500).convert(mode)
    if mode in ("LA", "RGBA"):
        image.putalpha(Image.fromarray(255 - grey))
    return encoded(image, "TIFF" if mode == "CMYK" else "PNG")


@pytest.mark.parametrize("mode", MODES)
def test_strips_change_no_number(mode, monkeypatch):
    data = odd_photo(mode)
    whole = decode_photo(data)
    monkeypatch.setattr(large, "_STRIP", 700 * 37)
    assert (decode_photo(data) == whole).all()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("turn", [1, 6])
def test_shrunk_by_strips_a_photo_looks_the_same(mode, turn, monkeypatch):
    buffer, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = turn
    with Image.open(io.BytesIO(odd_photo(mode))) as image:
        image.save(buffer, image.format, exif=exif)
    how = Preprocessing(size=64, credit="keep")
    whole = decode_photo(buffer.getvalue(), how)
    monkeypatch.setattr(decode, "MOST", 64)
    monkeypatch.setattr(large, "_STRIP", 700 * 37)
    monkeypatch.setattr(decode, "cost_of", lambda *_: large.Cost(10**9, 0))
    assert_close(decode_photo(buffer.getvalue(), how), whole, 1.5, 25)


def test_a_shrunk_jpeg_looks_the_same(monkeypatch):
    data = encoded(smooth(1600, 1200))
    how = Preprocessing(decoder="pillow", credit="keep")
    whole = decode_photo(data, how)
    pixels = []
    monkeypatch.setattr(
        decode, "to_rgb", lambda image, side: pixels.append(image.size) or large.to_rgb(image)
    )
    monkeypatch.setattr(decode, "MAX_BYTES", len(data) + 9_000_000)
    monkeypatch.setattr(decode, "MOST", 224)
    assert_close(decode_photo(data, how), whole, 1, 4)
    assert pixels == [(800, 600)]


def test_large_pictures_are_decoded_one_at_a_time(monkeypatch):
    data = odd_photo("RGB")
    monkeypatch.setattr(large, "ALONE_BYTES", 1)
    inside, most, go = [], [], threading.Event()

    def slow(image, side):
        inside.append(1)
        most.append(len(inside))
        go.wait(0.05)
        inside.pop()
        return large.to_rgb(image, side)

    monkeypatch.setattr(decode, "to_rgb", slow)
    threads = [threading.Thread(target=decode_photo, args=(data,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 4


# Time


def scans_added(n, size=(4000, 3000)):
    """A progressive JPEG whose last scan is repeated: small, and long to decode."""
    data = flat("JPEG", size, progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + n * last + b"\xff\xd9"


def test_scans_over_many_pixels_are_counted_before_decoding(monkeypatch):
    monkeypatch.setattr(decode, "_decode_scaled", None)
    status, message = refused(scans_added(5000))
    assert status == "damaged"
    assert re.search(r"a JPEG of \d+ scans or more over 12,000,000 pixels", message)


def test_scans_of_a_jpeg_that_is_not_progressive_are_counted_too(monkeypatch):
    data = scans_added(5000).replace(b"\xff\xc2", b"\xff\xc0", 1)
    first = data.index(b"\xff\xda")  # of all channels; the others are of one
    data = data[:first] + data[data.index(b"\xff\xc4", first) :]
    monkeypatch.setattr(decode, "_decode_scaled", None)
    assert refused(data)[0] == "damaged"


def test_a_progressive_photo_passes(monkeypatch):
    data = encoded(smooth(4000, 3000), progressive=True)
    assert len(re.findall(rb"\xff\xda", data)) == 10
    plain = encoded(smooth(4000, 3000))
    assert_close(decode_photo(data, KEEP), decode_photo(plain, KEEP), 1, 6)
    monkeypatch.setattr(decode, "_decode_scaled", lambda *_: np.zeros((300, 300, 3), np.uint8))
    # Twice as many scans, as programs that search for the smallest file write them.
    assert decode_photo(scans_added(10), KEEP).shape == (224, 224, 3)
    # As many pixels as a phone has, in 10 scans: nothing of it is decoded here.
    assert decode_photo(flat("JPEG", (9000, 12_000), progressive=True), KEEP).shape[0] == 224


def with_segments(segments):
    data = encoded(smooth(), quality=90)
    return data[:2] + segments + data[2:]


@pytest.mark.parametrize(
    "segments",
    [
        b"\xff\xe5\0\x02" * 300_000,
        b"\xff\xfe\0\x03x" * 300_000,
        b"\xff\xd9" * 300_000,
        b"\xff\x01" * 300_000,
        b"\xff\xe5\0\0" * 300_000,
        b"\xff" * 300_000,
        b"x" * 300_000,
        b"\xff\0" * 300_000,
    ],
    ids=["empty", "comments", "ends", "alone", "no length", "filling", "junk", "zeros"],
)
def test_a_jpeg_of_endless_segments_is_refused_unopened(segments, monkeypatch):
    monkeypatch.setattr(Image, "open", None)
    status, message = refused(with_segments(segments))
    assert status == "damaged"
    assert "of a JPEG" in message or "a JPEG of" in message


def test_metadata_of_many_megabytes_pass():
    data = with_segments((b"\xff\xe1\xff\xff" + bytes(65_533)) * 200)
    assert (decode_photo(data, KEEP) == decode_photo(with_segments(b""), KEEP)).all()


def test_a_png_of_endless_chunks_is_refused_unopened(monkeypatch):
    data = flat_png(64, 64, 8, 2, 3)
    many = png_chunk(b"abCd", b"") * 300_000
    assert decode_photo(data[:33] + many[:1200] + data[33:]).shape == (224, 224, 3)
    monkeypatch.setattr(Image, "open", None)
    for at in (33, len(data) - 12):
        assert refused(data[:at] + many + data[at:])[0] == "damaged"


def test_a_tiff_with_millions_of_numbers_in_a_tag_is_refused_unopened(monkeypatch):
    monkeypatch.setattr(Image, "open", None)
    status, message = refused(flat_tiff(64, 64, 3, [(340, 4, 30_000_000, 400)]))
    assert status == "damaged"
    assert "30,000,000 numbers" in message
    big = b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, 25_000_000) + bytes(1000)
    assert refused(big) == ("damaged", "a TIFF of 25,000,000 tags")


@pytest.mark.parametrize(
    "start", [b"II*\0", b"MM\0*", b"II+\0\x08\0\0\0", b"II*\0\xff\xff\xff\xff"]
)
def test_a_tiff_that_ends_at_its_head_is_no_photo(start):
    assert refused(start)[0] == "not a photo"
    assert refused(start + b"\xff" * 9)[0] in ("not a photo", "damaged")


def test_a_bmp_of_endless_run_lengths_is_refused_undecoded(monkeypatch):
    data = bytearray(encoded(smooth().convert("L"), "BMP"))
    data[30] = 1
    monkeypatch.setattr(limits, "MAX_RUN_LENGTHS", 1000)
    monkeypatch.setattr(decode, "to_rgb", None)
    assert refused(bytes(data))[0] == "too large"


def test_positions_are_not_looked_for_in_a_picture_of_endless_segments(tmp_path):
    from lucas_habitat.errors import PhotoError

    (tmp_path / "a.jpg").write_bytes(with_segments(b"\xff\xe5\0\x02" * 300_000))
    with (tmp_path / "a.jpg").open("rb") as file, pytest.raises(PhotoError, match="segments"):
        open_image(file)

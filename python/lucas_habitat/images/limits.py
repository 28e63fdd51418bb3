"""What a picture's file is asked before it is decoded: whether decoding it ends soon.

A file of a megabyte can keep a decoder busy for a day: by scans that each go through all pixels again,
by segments that each take a step, by tags that each become a number. They are counted here, which takes
no longer than reading the file.
"""

from __future__ import annotations

import io
import re
import struct
from typing import BinaryIO, NamedTuple

from ..errors import PhotoError

__all__ = ["check_body", "check_head"]

#: Segments of a JPEG, and as many bytes between them as a careless program may leave. Full ones of 64 kB,
#: as long metadata is cut into, are 260 MB then.
MAX_SEGMENTS, MAX_JUNK = 4096, 65_536
#: Pixels that the scans of a JPEG go through in all, a few seconds' work. Programs write 6 to 20 scans: of
#: 10 a picture may have 150 megapixels.
MAX_SCANNED = 1_500_000_000
#: Bytes of a progressive JPEG's coefficients, which are all held at once.
MAX_COEFFICIENTS = 450_000_000
#: Chunks of a PNG. Programs put 4 kB or more into each: so many are 800 MB.
MAX_CHUNKS = 200_000
#: Tags of a TIFF, and numbers of one tag: the places of its strips or tiles, or a colour table (196,608).
MAX_TAGS, MAX_NUMBERS = 4096, 200_000
#: Bytes of a BMP in run lengths, which Pillow reads number by number.
MAX_RUN_LENGTHS = 16_000_000

# What stands in a scan is 0xFF 0x00, or a mark to restart; anything else after 0xFF ends it.
_END_OF_SCAN = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")

_PNG = b"\x89PNG\r\n\x1a\n"
_TIFF = {b"II": "<", b"MM": ">"}
# TIFF's types of numbers; bytes and text stay as they are.
_NUMBERS = frozenset({3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 16, 17, 18})


def check_head(file: BinaryIO) -> None:
    """Refuse a picture whose head would take long to read; the file is left at its beginning.

    Raises
    ------
    PhotoError
        ``"damaged"``: no program writes such a file.
    """
    start = file.read(16)
    if start.startswith(b"\xff\xd8"):
        _first_scan(file)
    elif start.startswith(_PNG):
        _count_chunks(file)
    elif start[:2] in _TIFF:
        _check_tags(file, start)
    file.seek(0)


def check_body(data: bytes, kind: str, pixels: int) -> int:
    """Refuse a picture, of a format and size that its head says, that would take long to decode.

    Returns
    -------
    int
        Bytes that its decoder holds beside the pixels: the coefficients of a JPEG in several scans.

    Raises
    ------
    PhotoError
        ``"damaged"``, or ``"too large"`` where a smaller picture of its kind is read.
    """
    if kind == "BMP" and len(data) > MAX_RUN_LENGTHS and data[30:31] in (b"\x01", b"\x02"):
        raise PhotoError("too large", f"a BMP in run lengths of {len(data):,} bytes")
    first = _first_scan(io.BytesIO(data)) if kind in ("JPEG", "MPO") else None
    if first is None or first.is_only:
        return 0
    n_bytes = int(pixels * first.samples * 2)
    if n_bytes > MAX_COEFFICIENTS:
        raise PhotoError(
            "too large", f"{pixels:,} pixels in several scans, which take {n_bytes:,} bytes at once"
        )
    _count_scans(data, first.place, pixels)
    return n_bytes


class _Scan(NamedTuple):
    """The first scan of a JPEG, as its head describes it."""

    place: int  # of its mark
    is_only: bool  # no other can follow
    samples: float  # of all channels, a pixel


class _Frame(NamedTuple):
    """What a JPEG's head says of its channels."""

    is_progressive: bool
    n_channels: int
    samples: float


def _first_scan(file: BinaryIO) -> _Scan | None:
    """Walk over a JPEG's segments as decoders do, to the first scan; None where there is none."""
    file.seek(2)
    n_segments = n_junk = 0
    frame = _Frame(False, 0, 0)
    while (byte := file.read(1)) and n_segments < MAX_SEGMENTS and n_junk < MAX_JUNK:
        kind = file.read(1) if byte == b"\xff" else b""
        if kind in (b"\xff", b"\0", b""):
            n_junk += 1
            file.seek(-len(kind), 1)
            continue
        n_segments += 1
        place, mark = file.tell() - 2, kind[0]
        if 0xD0 <= mark <= 0xD9 or mark == 0x01:  # these stand alone
            continue
        length = max(int.from_bytes(file.read(2)), 2)
        if 0xC0 <= mark <= 0xCF and mark not in (0xC4, 0xC8, 0xCC):
            frame = _frame(mark, file.read(length - 2))
        elif mark == 0xDA:
            has_all = file.read(1) == bytes([frame.n_channels])
            return _Scan(place, has_all and not frame.is_progressive, frame.samples)
        file.seek(place + 2 + length)
    if n_segments >= MAX_SEGMENTS:
        raise PhotoError("damaged", f"a JPEG of {MAX_SEGMENTS:,} segments or more")
    if n_junk >= MAX_JUNK:
        raise PhotoError("damaged", f"{MAX_JUNK:,} bytes or more between the segments of a JPEG")
    return None


def _frame(mark: int, body: bytes) -> _Frame:
    n_channels = body[5] if len(body) > 5 else 0
    # Each channel's byte says in its halves how often it is sampled along and down.
    factors = [((b >> 4) or 1) * ((b & 15) or 1) for b in body[7 : 6 + 3 * n_channels : 3]]
    samples = sum(factors) / max(factors, default=1)
    return _Frame(mark not in (0xC0, 0xC1, 0xC9), n_channels, samples)


def _count_scans(data: bytes, place: int, pixels: int) -> None:
    """Refuse a JPEG of so many scans that it takes long to decode."""
    n_scans = n_segments = 0
    while match := _END_OF_SCAN.search(data, place):
        mark, place = data[match.start() + 1], match.end()
        n_segments += 1
        n_scans += mark == 0xDA
        if n_scans * pixels > MAX_SCANNED or n_segments > MAX_SEGMENTS:
            raise PhotoError(
                "damaged", f"a JPEG of {n_scans:,} scans or more over {pixels:,} pixels"
            )
        if mark == 0xD9:
            return
        place += 0 if mark == 0x01 else int.from_bytes(data[place : place + 2])


def _count_chunks(file: BinaryIO) -> None:
    """Refuse a PNG of so many chunks that it takes long to go through them."""
    file.seek(len(_PNG))
    for _ in range(MAX_CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            return
        file.seek(int.from_bytes(head[:4]) + 4, 1)
    raise PhotoError("damaged", f"a PNG of {MAX_CHUNKS:,} chunks or more")


def _check_tags(file: BinaryIO, start: bytes) -> None:
    """Refuse a TIFF whose first directory is so long that it takes long to read."""
    order, is_big = _TIFF[start[:2]], start[2:4] in (b"+\0", b"\0+")
    # The 64-bit kind has wider numbers.
    number, n_bytes, at = ("Q", 20, 8) if is_big else ("I", 12, 4)
    end = file.seek(0, 2)
    try:
        file.seek(min(*struct.unpack_from(order + number, start, at), end))
        (n_tags,) = struct.unpack(
            f"{order}Q" if is_big else f"{order}H", file.read(8 if is_big else 2)
        )
        if n_tags > MAX_TAGS:
            raise PhotoError("damaged", f"a TIFF of {n_tags:,} tags")
        for _ in range(n_tags):
            kind, n = struct.unpack_from(f"{order}2xH{number}", file.read(n_bytes))
            if kind in _NUMBERS and n > MAX_NUMBERS:
                raise PhotoError("damaged", f"a TIFF with a tag of {n:,} numbers")
    except struct.error:  # cut off; Pillow says so
        return

"""HEIC, as iPhones write photos: read by pillow-heif, which is installed only where it is wanted."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable

from PIL import Image

from .._base import words
from ..errors import PhotoError, RefusedWarning, warn

__all__ = [
    "ENDINGS",
    "count_without_heic",
    "heic_version",
    "is_heic",
    "named_heic",
    "open_heic",
    "warn_of_heic",
]

ENDINGS = (".heic", ".heif", ".hif")
_NO_HEIC = "HEIC photos need pillow-heif: " + words.either(
    'pip install "lucas-habitat[heic]"', "lucas_install(heic = TRUE)"
)

#: The error of every photo that only the missing package keeps from being read.
NO_HEIC = words.in_python(_NO_HEIC)

_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")

#: The box in which each image of a file says how large it is coded (ISO/IEC 23008-12, 6.5.3).
_CODED_SIZE = re.compile(rb"ispe\0{4}(.{4})(.{4})", re.DOTALL)


def is_heic(data: bytes) -> bool:
    """Whether a file is HEIC by its first 12 bytes, because names may be wrong."""
    return data[4:8] == b"ftyp" and data[8:12] in _BRANDS


def named_heic(path: str) -> bool:
    """Whether a file's name says that it is HEIC."""
    return path.lower().endswith(ENDINGS)


def heic_version() -> str:
    """Version of what decodes HEIC; empty where it is not installed."""
    try:
        import pillow_heif
    except ImportError:
        return ""
    return str(pillow_heif.__version__)


def open_heic(data: bytes) -> Image.Image:
    """Read the head of a HEIC photo: its primary image, turned upright already.

    The plugin is not registered with Pillow, so that other code in the process opens the same files
    as before.

    Raises
    ------
    PhotoError
        ``"unreadable"`` without pillow-heif, ``"damaged"``, or ``"too large"``, by Pillow's limit.
    """
    try:
        from pillow_heif import HeifImageFile

        image: Image.Image = HeifImageFile(io.BytesIO(data))
    except ImportError as error:
        raise PhotoError("unreadable", _NO_HEIC) from error
    except Exception as error:  # libheif finds many things wrong with broken files
        raise PhotoError("damaged", f"{type(error).__name__}: {error}".strip()) from error
    most, pixels = Image.MAX_IMAGE_PIXELS, _pixels(data, image)
    if most is not None and pixels > 2 * most:  # where Pillow refuses other formats
        raise PhotoError("too large", f"{pixels:,} pixels; at most {2 * most:,} are decoded")
    return image


def _pixels(data: bytes, image: Image.Image) -> int:
    """Pixels that would be decoded: more than the image has where it is cropped or its size is wrong."""
    pixels = [image.width * image.height]
    pixels += [int.from_bytes(w) * int.from_bytes(h) for w, h in _CODED_SIZE.findall(data)]
    tiling = image.info.get("tiling")
    if tiling:
        pixels.append(tiling["image_width"] * tiling["image_height"])
    return max(pixels)


def warn_of_heic(n: int) -> None:
    """Warn once of all photos that could not be read for want of pillow-heif."""
    if n:
        warn(f"{n} photos cannot be read. {_NO_HEIC}.", RefusedWarning)


def count_without_heic(errors: Iterable[str]) -> int:
    """How many photos could not be read for want of pillow-heif, by their errors."""
    return sum(error == NO_HEIC for error in errors)

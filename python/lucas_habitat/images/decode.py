"""Photo files decoded to small RGB arrays, in the same way for training and classification."""

from __future__ import annotations

import io
import math
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image

from .._base.checks import check_choice, check_number
from .._base.choices import CREDITS, DECODERS, RESIZES
from ..errors import InputError, PhotoError
from ..sources import read_bytes
from .credit_line import LEAST, MOST, fill_corner, has_line
from .heic import is_heic, open_heic
from .large import MAX_BYTES, cost_of, one_at_a_time, to_rgb
from .limits import check_body, check_head

__all__ = ["STATUSES", "Preprocessing", "decode_photo"]

# Pillow warns of images of half the size that it refuses. The filter is set once, because
# catch_warnings() is not safe in threads, which read the photos.
warnings.filterwarnings("ignore", module=r"PIL(\.|$)")

Array = npt.NDArray[np.uint8]


#: The reasons that the ``status`` of a photo can have, and what each means.
STATUSES = {
    "ok": "read and classified",
    "missing": "no such file",
    "unreadable": "the file cannot be opened",
    "empty": "the file has no bytes",
    "not a photo": "the file is no image",
    "damaged": "the image is cut off or broken",
    "too large": "the image has more pixels than are safe to decode",
    "too small": "the image is too small to show anything",
}

MIN_SIDE = 16

#: Bytes of EXIF that are looked through for how a photo is turned; a JPEG has at most 64 kB.
_MAX_EXIF = 1_000_000

#: Share of the height, from the bottom, in which the survey burnt its credit line. It reaches up to
#: 7.6 % in photos of 2006 (5.2 to 6.2 % in those of 2009, 2015 and 2018); the rest is for what
#: resizing spreads.
CREDIT_SHARE = 0.09

_GREY = 128

# Pillow opens MPO, a JPEG of several images, as JPEG.
_FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "WEBP")

#: What brings a photo upright, by its EXIF orientation.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Preprocessing:
    """How a photo becomes an array; part of every model's card and every cached feature's key.

    Parameters
    ----------
    size : int, default 224
        Height and width in pixels. Photos are squashed to it as in the pilot, not cropped.
    resize : {"antialias", "nearest"}, default "antialias"
        ``"antialias"`` is Pillow's bilinear filter with its support widened to the reduction;
        ``"nearest"`` is what R keras did in the pilot.
    decoder : {"simplejpeg", "pillow"}, default "simplejpeg"
        ``"simplejpeg"`` decodes a JPEG at reduced size (never below ``size``), which is
        several times faster; ``"pillow"`` decodes in full and is the reference. Everything but
        RGB and grey JPEG is always read by Pillow (HEIC by pillow-heif), and so is
        ``resize="nearest"``.
    credit : {"hide", "mask", "crop", "keep"}, default "hide"
        What happens to the credit line that LUCAS photos carry at the bottom left, which tells
        the year and with it the mix of countries. ``"hide"``: where a line is seen, the corner
        in which lines of all years stand is filled with what stands to the right of it; a photo
        without one is what ``"keep"`` makes of it, to the last pixel. ``"mask"`` paints the
        bottom of every photo grey, ``"crop"`` cuts it off, ``"keep"`` leaves it as in the pilot.
    credit_share : float, default 0.09
        How much of the height, from the bottom, ``"mask"`` and ``"crop"`` take.
    """

    size: int = 224
    resize: str = "antialias"
    decoder: str = "simplejpeg"
    credit: str = "hide"
    credit_share: float = CREDIT_SHARE

    def __post_init__(self) -> None:
        check_number("target_size", self.size, 32, 1024, whole=True)
        object.__setattr__(self, "size", int(self.size))  # R's numbers come as 224.0
        check_choice("resize", self.resize, RESIZES)
        check_choice("decoder", self.decoder, DECODERS)
        check_choice("credit", self.credit, CREDITS)
        check_number("credit_share", self.credit_share, 0, 0.5)

    def as_dict(self) -> dict[str, object]:
        """Plain values, for a card or a key."""
        return asdict(self)


def decode_photo(data: bytes, preprocessing: Preprocessing | None = None) -> Array:
    """Decode a photo to a square RGB array.

    Turned upright by its EXIF orientation; 16-bit grey is scaled, transparency is laid
    on white, CMYK is converted.

    Parameters
    ----------
    data : bytes
        The content of a JPEG, PNG, TIFF, BMP, WebP or HEIC file.
    preprocessing : Preprocessing, optional

    Returns
    -------
    numpy.ndarray
        Shape (size, size, 3), uint8, 0 to 255.

    Raises
    ------
    PhotoError
        With its ``status`` from `STATUSES`.
    """
    settings = preprocessing or Preprocessing()
    image = open_image(io.BytesIO(data))
    n_bytes = len(data) + check_body(data, image.format or "", image.width * image.height)
    scaled = None
    with ExitStack() as large:
        if settings.decoder == "simplejpeg" and settings.resize == "antialias":
            n_scaled = n_bytes + _bytes_scaled(image, settings.size)
            if _is_scalable(image) and n_scaled <= MAX_BYTES:
                large.enter_context(one_at_a_time(n_scaled))
                scaled = _decode_scaled(data, settings.size)
        rgb = (
            _loaded(image, n_bytes, settings, large) if scaled is None else Image.fromarray(scaled)
        )
        upright = _upright(rgb, image)
        if settings.credit == "hide":
            # The array where it is upright already: reading an image's pixels takes longer than looking.
            decoded = scaled if scaled is not None and upright is rgb else upright
            if has_line(_readable(decoded, min(upright.size), image, data)):
                fill_corner(upright)
        return _fit(upright, settings)


def read_photos(
    paths: list[str], preprocessing: Preprocessing, threads: int, rows: npt.NDArray[np.intp]
) -> Array:
    """Read and decode some of the photos: uint8 of shape (n, size, size, 3)."""
    with ThreadPoolExecutor(threads) as pool:
        return np.stack(
            list(pool.map(lambda i: decode_photo(read_bytes(paths[i]), preprocessing), rows))
        )


def _loaded(
    image: Image.Image, n_bytes: int, settings: Preprocessing, large: ExitStack
) -> Image.Image:
    """An opened photo in RGB, shrunk already where its full size takes too much memory.

    ``large`` is entered where no other such photo may be read meanwhile.
    """
    least = 2 * max(settings.size, MOST)
    try:
        cost = cost_of(image, n_bytes, _may_turn(image))
        if cost.whole > MAX_BYTES and image.format in ("JPEG", "MPO"):
            image.draft(None, (least, least))
            cost = cost_of(image, n_bytes, _may_turn(image))
        if min(cost) > MAX_BYTES:
            raise PhotoError(
                "too large",
                f"{image.width} x {image.height} pixels of {image.format} take {min(cost):,} bytes of "
                f"memory; at most {MAX_BYTES:,} are taken",
            )
        large.enter_context(one_at_a_time(min(cost)))
        return to_rgb(image, None if cost.whole <= MAX_BYTES else least)
    except PhotoError:
        raise
    except MemoryError as error:
        raise PhotoError("too large", "this computer has too little memory for it") from error
    except Exception as error:  # Pillow's plugins raise nearly anything on broken files
        raise PhotoError("damaged", f"{type(error).__name__}: {error}".strip()) from error


def open_image(file: BinaryIO) -> Image.Image:
    """Read the head of a photo, not its pixels, or say in a `PhotoError` why it cannot be."""
    head = file.read(12)
    file.seek(0)
    try:
        check_head(file)
        image = open_heic(file.read()) if is_heic(head) else Image.open(file, formats=_FORMATS)
    except PhotoError:
        raise
    except Image.DecompressionBombError as error:
        raise PhotoError("too large", str(error)) from error
    except Exception as error:
        raise PhotoError(
            "not a photo", f"no JPEG, PNG, TIFF, BMP, WebP or HEIC; begins with {head[:8]!r}"
        ) from error
    if min(image.size) < MIN_SIDE:
        raise PhotoError(
            "too small",
            f"{image.width} x {image.height} pixels; at least {MIN_SIDE} x {MIN_SIDE} are needed",
        )
    return image


def _is_scalable(image: Image.Image) -> bool:
    return image.format == "JPEG" and image.mode in ("RGB", "L")


def _bytes_scaled(image: Image.Image, size: int) -> int:
    """What the array and the image of a JPEG take that simplejpeg scales by eighths, turned too."""
    scale = min(1.0, math.ceil(8 * size / min(image.size)) / 8)
    return int(image.width * image.height * scale**2 * (3 + 4 + 4))


def _decode_scaled(data: bytes, size: int) -> Array | None:
    """A JPEG at the smallest scale that is not below ``size``; None where simplejpeg refuses it."""
    try:
        rgb: Array = simplejpeg.decode_jpeg(
            data, colorspace="RGB", min_height=size, min_width=size, min_factor=1, strict=True
        )
    except ValueError:
        return None  # Pillow tells whether it is cut off or only unusual
    return rgb


def _readable(
    decoded: Image.Image | Array, side: int, image: Image.Image, data: bytes
) -> Image.Image | Array:
    """An upright photo at the size at which credit lines are looked for, whatever the settings.

    A JPEG that was decoded at another size, its shorter side ``side``, is decoded once more.
    """
    if LEAST <= side < MOST or min(image.size) < LEAST or not _is_scalable(image):
        return decoded
    scaled = _decode_scaled(data, LEAST)
    return decoded if scaled is None else _upright(Image.fromarray(scaled), image)


def _upright(rgb: Image.Image, image: Image.Image) -> Image.Image:
    turn = _turn(image)
    return rgb if turn is None else rgb.transpose(turn)


def _turn(image: Image.Image) -> Image.Transpose | None:
    """What brings a photo upright; None where it is, or where what decoded it did that."""
    # libheif turns, whatever its EXIF may still say. Pillow turns TIFF on loading, and drops the tag.
    if image.format == "HEIF" or len(image.info.get("exif", b"")) > _MAX_EXIF:
        return None
    try:
        return _TURNS.get(image.getexif().get(0x0112, 1))
    except Exception:  # broken EXIF is taken as none
        return None


def _may_turn(image: Image.Image) -> bool:
    """Whether a photo that is not loaded yet may have to be turned; a PNG tells at its end."""
    if image.format == "TIFF":
        return bool(getattr(image, "tag_v2", {}).get(0x0112, 1) != 1)
    return image.format == "PNG" or _turn(image) is not None


def _fit(image: Image.Image, settings: Preprocessing) -> Array:
    """An upright photo squashed to its array, the credit line cut off or painted over."""
    height = (
        image.height * (1 - settings.credit_share) if settings.credit == "crop" else image.height
    )
    if height < image.height:
        # Cropped first, because Pillow's filters read pixels outside the box.
        image = image.crop((0, 0, image.width, math.ceil(height)))
    is_nearest = settings.resize == "nearest"
    small = image.resize(
        (settings.size, settings.size),
        Image.Resampling.NEAREST if is_nearest else Image.Resampling.BILINEAR,
        box=(0, 0, image.width, height),
    )
    array = np.array(small, dtype=np.uint8)
    if settings.credit == "mask":
        array[round(settings.size * (1 - settings.credit_share)) :] = _GREY
    return array


def thumbnail(path: str, side: int) -> Array:
    """Read a photo to look at: upright, uncropped, its longer side as many pixels as asked.

    Guarded as `decode_photo` is, and without the file's metadata: a photo's EXIF can tell where
    and by whom it was taken.

    Raises
    ------
    PhotoError
        With its ``status`` from `STATUSES`.
    """
    data = read_bytes(path)
    square = Image.fromarray(decode_photo(data, Preprocessing(size=side, credit="keep")))
    image = open_image(io.BytesIO(data))
    width, height = _upright(Image.new("1", image.size), image).size
    scale = side / max(width, height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.array(square.resize(size, Image.Resampling.BILINEAR), dtype=np.uint8)


def preprocessing_from(card: dict[str, object]) -> Preprocessing:
    """Rebuild `Preprocessing` from what a card holds."""
    try:
        # Cards of earlier versions lack the share, which was 7 % then.
        return Preprocessing(**{"credit_share": 0.07, **card})  # type: ignore[arg-type]
    except TypeError as error:
        raise InputError(f"Unknown preprocessing {card}: {error}") from error

"""Whether what is installed works together: a drawn photo goes the whole way."""

from __future__ import annotations

import tempfile
import time
import warnings
from typing import Any

from .installed import has_lite, version

__all__ = ["print_try_out", "try_out"]

_POINTS, _SIZE = 8, (160, 120)


def try_out() -> dict[str, Any]:
    """Train EfficientNet-Lite0 on drawn photos and classify one, as a user's first lines do.

    Returns
    -------
    dict
        ``ok``; ``text``, what was done, or the error; ``seconds``.
    """
    start = time.monotonic()
    try:
        text = _train_and_classify()
    except Exception as error:  # whatever it is, it is what the user would meet
        first_line = (str(error).strip() or "no reason").splitlines()[0]
        return {
            "ok": False,
            "text": f"{type(error).__name__}: {first_line}",
            "seconds": _since(start),
        }
    return {"ok": True, "text": text, "seconds": _since(start)}


def print_try_out() -> None:
    """Print what `try_out` tells, one thing a line, for R to read from a process of its own."""
    told = try_out()
    print("ok" if told["ok"] else "failed", told["text"], told["seconds"], version(), sep="\n")


def _train_and_classify() -> str:
    """What was trained and classified, and on what; an error if that did not work."""
    import lucas_habitat as lh

    weights = "imagenet" if has_lite(0) else None
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the photos are few, and the weights random
        lh.draw_demo_photos(folder, n_points=_POINTS, size=_SIZE, progress=False)
        photos = lh.list_photos(folder)
        model = lh.train(
            photos,
            arch="efficientnet_lite0",
            weights=weights,
            epochs=1,
            cache=False,
            progress=False,
        )
        table = lh.classify(photos.head(1), model, cache=False, progress=False)
    if table["status"].iloc[0] != "ok" or not 0 < table["confidence"].iloc[0] <= 1:
        raise RuntimeError(
            f"a drawn photo got {table['predicted'].iloc[0]}, {table['error'].iloc[0]}"
        )
    return (
        f"a drawn photo was classified by EfficientNet-Lite0 with {'its ImageNet' if weights else 'random'} "
        f"weights, trained on {len(photos)} ({table.attrs['engine']}, {table.attrs['precision']})"
    )


def _since(start: float) -> float:
    return round(time.monotonic() - start, 1)

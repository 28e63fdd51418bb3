"""The files of a model's folder, and how large each may be where it comes from elsewhere."""

from __future__ import annotations

from .cards import MAX_BYTES

__all__ = [
    "CARD",
    "FEATURES",
    "FILES",
    "HISTORY",
    "MODEL_FILES",
    "MOST_BYTES",
    "PHOTOS",
    "WEIGHTS",
]

CARD = "card.json"

WEIGHTS = "model.safetensors"

FEATURES = "training_features.npy"

PHOTOS = "training_photos.csv"

HISTORY = "history.csv"

#: What a card lists with checksums, and all of a model.
FILES = (WEIGHTS, FEATURES, PHOTOS, HISTORY)
MODEL_FILES = (CARD, *FILES)

#: Bytes that a file may have, so that a folder from elsewhere takes neither all memory nor a day to hash:
#: networks several times as large as any of timm's, features of 20,000 photos, five million photos.
MOST_BYTES = {
    CARD: MAX_BYTES,
    WEIGHTS: 16 << 30,
    FEATURES: 4 << 30,
    PHOTOS: 1 << 30,
    HISTORY: 1 << 26,
}

"""What arguments may be. Nothing is imported here, so that the command line can ask at once."""

from __future__ import annotations

__all__ = [
    "CLASS_BALANCES",
    "CREDITS",
    "DECODERS",
    "ENGINES",
    "GAINS_BY",
    "HEADS",
    "HOW_SORTED",
    "LANGUAGES",
    "LICENCES",
    "PRECISIONS",
    "RECIPES",
    "RESIZES",
    "SCALINGS",
    "SIDECARS",
    "SPLITS_BY",
    "TRANSFORMS",
    "VOTE_METHODS",
]

#: Arithmetic of a frozen backbone.
PRECISIONS = ("auto", "float32", "bfloat16", "int8")
#: What computes a run: this machine, or a Ray cluster.
ENGINES = ("local", "ray")
#: What a backbone's RGB values are scaled to: 0 to 1, -1 to 1, or its own mean and deviation.
SCALINGS = ("unit", "symmetric", "own")
RESIZES = ("antialias", "nearest")
DECODERS = ("simplejpeg", "pillow")
#: What becomes of the credit line that is burnt into the survey's photos.
CREDITS = ("hide", "mask", "crop", "keep")
#: What comes between features and classes.
HEADS = ("dense", "logistic")
#: What a recipe sets where an argument of `train` says nothing.
RECIPES: dict[str, dict[str, bool | int | float | str]] = {
    "pilot": {
        "arch": "xception",
        "head": "dense",
        "freeze_backbone": True,
        "dropout": 0.2,
        "epochs": 10,
        "batch_size": 32,
        "learning_rate": 1e-3,
    },
    "recommended": {
        "arch": "efficientnet_lite0+efficientnet_lite1+efficientnet_lite2",
        "head": "logistic",
        "freeze_backbone": True,
    },
    "finetune": {
        "arch": "xception",
        "head": "dense",
        "freeze_backbone": False,
        "dropout": 0.2,
        "epochs": 5,
        "batch_size": 32,
        "learning_rate": 1e-3,
    },
}
#: How rare classes come to count as much as frequent ones in training, if they do.
CLASS_BALANCES = ("none", "weights", "sampling")
#: What training and test are kept apart by.
SPLITS_BY = ("point", "block", "country", "year")
#: How the photos of a point come to one class.
VOTE_METHODS = ("majority", "mean", "product", "learned")
#: What `vote_gain` compares: numbers of photos, or methods.
GAINS_BY = ("photos", "method")
#: Of covariates, instead of shares.
TRANSFORMS = ("ilr",)
#: Of the page in the browser: code and own name.
LANGUAGES = {"en": "English", "da": "Dansk"}
#: How photos come into class folders.
HOW_SORTED = ("copy", "link")
#: Licences of what is handed on, by their SPDX identifiers: those that GBIF takes, with names and addresses.
LICENCES = {
    "CC0-1.0": (
        "Creative Commons Zero v1.0 Universal",
        "http://creativecommons.org/publicdomain/zero/1.0/legalcode",
    ),
    "CC-BY-4.0": (
        "Creative Commons Attribution 4.0 International",
        "http://creativecommons.org/licenses/by/4.0/legalcode",
    ),
    "CC-BY-NC-4.0": (
        "Creative Commons Attribution Non Commercial 4.0 International",
        "http://creativecommons.org/licenses/by-nc/4.0/legalcode",
    ),
}
#: By whose convention an XMP file beside a photo is named.
SIDECARS = ("digikam", "lightroom")

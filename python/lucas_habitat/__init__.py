"""Habitats from ground photos: train, classify, vote, evaluate, and model species with them.

Everything public is here and loaded on first use, so importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from .app import run_app as run_app
    from .backbones import build_model as build_model
    from .cache import cache_info as cache_info
    from .cache import clear_cache as clear_cache
    from .calibration import calibrate as calibrate
    from .classifier import HabitatModel as HabitatModel
    from .classifier import classify as classify
    from .classifier import load_model as load_model
    from .classifier import save_model as save_model
    from .demo import run_demo as run_demo
    from .demo_photos import draw_demo_photos as draw_demo_photos
    from .download import credit as credit
    from .download import download_photos as download_photos
    from .download import download_table as download_table
    from .download import photo_url as photo_url
    from .evaluation import Evaluation as Evaluation
    from .evaluation import evaluate as evaluate
    from .figure_tables import class_colours as class_colours
    from .figure_tables import reliability as reliability
    from .figure_tables import vote_gain as vote_gain
    from .geotags import locate_photos as locate_photos
    from .maps import MapAccuracy as MapAccuracy
    from .maps import validate_map as validate_map
    from .nomenclature import assign_habitat as assign_habitat
    from .nomenclature import lc1_codes as lc1_codes
    from .nomenclature import pilot_scheme as pilot_scheme
    from .over_years import changes as changes
    from .over_years import transitions as transitions
    from .photos import list_photos as list_photos
    from .piloting import pilot as pilot
    from .plots import plot_confusion as plot_confusion
    from .plots import plot_history as plot_history
    from .plots import plot_map as plot_map
    from .plots import plot_photos as plot_photos
    from .plots import plot_point as plot_point
    from .plots import plot_reliability as plot_reliability
    from .plots import plot_transitions as plot_transitions
    from .plots import plot_votes as plot_votes
    from .rdata import save_rds as save_rds
    from .rdata import to_r as to_r
    from .reporting import report as report
    from .sdm import covariates as covariates
    from .sdm import support as support
    from .splits import split_photos as split_photos
    from .survey import read_survey as read_survey
    from .survey import select_points as select_points
    from .training import train as train
    from .voting import vote as vote

_HOMES = {
    "Evaluation": "evaluation",
    "HabitatModel": "classifier",
    "MapAccuracy": "maps",
    "assign_habitat": "nomenclature",
    "build_model": "backbones",
    "cache_info": "cache",
    "calibrate": "calibration",
    "changes": "over_years",
    "class_colours": "figure_tables",
    "classify": "classifier",
    "clear_cache": "cache",
    "covariates": "sdm",
    "credit": "download",
    "download_photos": "download",
    "download_table": "download",
    "draw_demo_photos": "demo_photos",
    "evaluate": "evaluation",
    "lc1_codes": "nomenclature",
    "list_photos": "photos",
    "load_model": "classifier",
    "locate_photos": "geotags",
    "photo_url": "download",
    "pilot": "piloting",
    "pilot_scheme": "nomenclature",
    "plot_confusion": "plots",
    "plot_history": "plots",
    "plot_map": "plots",
    "plot_photos": "plots",
    "plot_point": "plots",
    "plot_reliability": "plots",
    "plot_transitions": "plots",
    "plot_votes": "plots",
    "read_survey": "survey",
    "reliability": "figure_tables",
    "report": "reporting",
    "run_app": "app",
    "run_demo": "demo",
    "save_model": "classifier",
    "save_rds": "rdata",
    "select_points": "survey",
    "split_photos": "splits",
    "support": "sdm",
    "to_r": "rdata",
    "train": "training",
    "transitions": "over_years",
    "validate_map": "maps",
    "vote": "voting",
    "vote_gain": "figure_tables",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'lucas_habitat' has no attribute {name!r}")
    found = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)

"""The command line: ``lucas-habitat list|split|train|classify|calibrate|vote|evaluate|...``."""

from .main import main

__all__ = ["main"]

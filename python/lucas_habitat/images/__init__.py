"""Photo files: formats, decoding, and drawn photos to try things with."""

from .decode import STATUSES, Preprocessing

__all__ = ["STATUSES", "Preprocessing"]

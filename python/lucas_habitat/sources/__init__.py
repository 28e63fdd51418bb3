"""Where photos lie: what is in a folder, what files are called, and their bytes."""

from .folders import walk
from .names import on_disk, readable
from .reading import opened, read_bytes

__all__ = ["on_disk", "opened", "read_bytes", "readable", "walk"]

"""The version, the same in pyproject.toml and DESCRIPTION."""

__version__ = "0.1.0"

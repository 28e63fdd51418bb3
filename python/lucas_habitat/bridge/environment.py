"""R's environment variables, handed over at each call."""

from __future__ import annotations

import os
from collections.abc import Sequence

__all__ = ["hand_over"]

#: Those that the core and what it rests on read while they run: folders and limits, proxies, certificates,
#: a mirror of models, and who asks for what lies in S3.
_PREFIXES = ("LUCAS_HABITAT_", "AWS_")
_NAMES = (
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HF_ENDPOINT",
)


def hand_over(names: Sequence[str], values: Sequence[str]) -> None:
    """Make these variables what R has: set, changed or gone.

    Python reads the environment once, when it starts, so that `Sys.setenv()` would not reach it.
    """
    given = {name: value for name, value in zip(names, values, strict=True) if _is_ours(name)}
    for name in [name for name in os.environ if _is_ours(name) and name not in given]:
        del os.environ[name]
    for name, value in given.items():
        if os.environ.get(name) != value:
            os.environ[name] = value


def _is_ours(name: str) -> bool:
    return name.upper().startswith(_PREFIXES) or name.upper() in _NAMES

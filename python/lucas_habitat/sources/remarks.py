"""What was come across while photos were listed: counted, and the first few named."""

from __future__ import annotations

__all__ = ["Remarks"]

_NAMED = 5


class Remarks:
    """How often something was come across, and the first few."""

    def __init__(self) -> None:
        self.n = 0
        self._first: list[str] = []

    def add(self, text: str) -> None:
        """Count one."""
        self.n += 1
        if len(self._first) < _NAMED:
            self._first.append(text)

    def __str__(self) -> str:
        more = f" and {self.n - _NAMED} more" if self.n > _NAMED else ""
        return ", ".join(self._first) + more

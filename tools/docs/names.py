"""Links in docstrings: `vote` in single backticks is a public function, and leads to its page."""

import re

import griffe
from tools.docs.formulas import with_formulas


class Links(griffe.Extension):
    """Makes links of what docstrings name."""

    def on_object(self, *, obj, **kwargs):
        if obj.docstring is None:
            return
        names = _public()
        text = re.sub(
            r"(?<![`\w])`(\w+)`(?![`\w])",
            lambda m: f"[`{m[1]}`][lucas_habitat.{m[1]}]" if m[1] in names else m[0],
            obj.docstring.value,
        )
        obj.docstring.value = with_formulas(text)


def _public():
    import lucas_habitat

    return set(lucas_habitat.__all__)

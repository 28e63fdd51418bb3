"""Formulas as MathML, which browsers show by themselves."""

import html
import re

from latex2mathml.converter import convert

_ROLE = re.compile(r":math:`([^`]+)`")


def as_mathml(latex: str) -> str:
    return convert(latex).replace("\n", " ")


def with_formulas(text: str) -> str:
    """A docstring with its ``:math:`` roles as MathML."""
    return _ROLE.sub(lambda m: as_mathml(m[1]), text)


def with_formulas_of_r(page: str) -> str:
    """A page of R's help, whose formulas are LaTeX in ``<code class="reqn">``, with MathML in their place."""
    return re.sub(
        r'<code class="reqn">(.*?)</code>',
        lambda m: as_mathml(html.unescape(m[1])),
        page,
        flags=re.S,
    )

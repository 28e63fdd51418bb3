"""Formulas as MathML, which browsers show by themselves."""

import html
import re

from latex2mathml.converter import convert

# A bar over several letters, which no font of a usual system stretches.
_BAR = re.compile(
    r"<mover>(<mrow>(?:(?!mover).)*</mrow>)<mo accent=\"true\">&#x02015;</mo></mover>"
)
_ROLE = re.compile(r":math:`([^`]+)`")


def as_mathml(latex: str) -> str:
    """A formula, within a line also where Markdown has a line begin with it."""
    formula = convert(latex).replace("\n", " ")
    formula = _BAR.sub(lambda m: m[1].replace("<mrow>", '<mrow class="bar">', 1), formula)
    return f'<span class="formula">{formula}</span>'


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

"""HTML that is safe by its type: text is escaped wherever it stands, markup is not escaped twice."""

import base64
import html.parser
import io
import re

import pandas as pd
import pytest
from markupsafe import Markup
from PIL import Image

from lucas_habitat.pages.html import (
    bullets,
    data_uri,
    element,
    escape,
    fact_list,
    figure,
    html_table,
    joined,
    jpeg_uri,
    paragraph,
)

EVIL = "<script>alert('x')</script> & \" onload=\"x"
OURS = {"class", "tabindex", "role", "aria-label", "scope", "alt", "title"}
TABLE = pd.DataFrame({EVIL: [EVIL, "a"], "n": [EVIL, 2]})


def tags(made):
    """The tags a browser would see, with their attributes."""
    starts = []
    parser = html.parser.HTMLParser()
    parser.handle_starttag = lambda *tag: starts.append(tag)
    parser.feed(str(made))
    parser.close()
    return starts


@pytest.mark.parametrize(
    ("made", "times"),
    [
        (paragraph(EVIL), 1),
        (bullets([EVIL, EVIL]), 2),
        (fact_list({EVIL: EVIL}), 2),
        (html_table(TABLE, EVIL), 5),
        (figure(element("img", alt=EVIL), EVIL, element("br"), EVIL), 3),
        (element("b", EVIL, title=EVIL), 2),
        (element("b", title=element("i", EVIL)), 1),
        (joined([EVIL, element("b", EVIL)], EVIL), 3),
    ],
    ids=lambda value: str(value)[:12],
)
def test_text_is_only_text(made, times):
    assert isinstance(made, Markup)
    assert "<script" not in made
    assert not {name for _, attributes in tags(made) for name, _ in attributes} - OURS
    assert len(re.findall(r"script(?:&gt;|&amp;gt;)alert", made)) == times


def test_markup_is_not_escaped_again_but_within_an_attribute_it_is_text():
    bold = element("b", "a & b")
    assert bold == "<b>a &amp; b</b>"
    assert paragraph(bold) == "<p><b>a &amp; b</b></p>"
    assert element("i", title=bold) == '<i title="&lt;b&gt;a &amp;amp; b&lt;/b&gt;"></i>'
    # Whoever builds markup by hand gets text.
    assert paragraph(f"{bold}") == "<p>&lt;b&gt;a &amp;amp; b&lt;/b&gt;</p>"


def test_elements_are_what_browsers_expect():
    assert element("br") == "<br>"
    assert element("img", src="a.png", alt="", class_=None) == '<img src="a.png" alt="">'
    assert paragraph("a", kind="soft") == '<p class="soft">a</p>'
    assert element("div", aria_label="x", tabindex=0) == '<div aria-label="x" tabindex="0"></div>'
    assert figure(None, "gone") == "<figure><figcaption>gone</figcaption></figure>"


def test_control_characters_go():
    assert escape("a\x00b\x1bc\td\ne") == "a\ufffdb\ufffdc\td\ne"


def test_the_first_column_of_a_table_names_its_rows():
    table = html_table(pd.DataFrame({"class": ["woody"], "n": [1]}), "Counts")
    assert '<thead><tr><th scope="col">class</th><th scope="col">n</th></tr></thead>' in table
    assert '<tbody><tr><th scope="row">woody</th><td>1</td></tr></tbody>' in table


def test_images_are_part_of_the_page():
    assert data_uri(b"abc", "text/plain") == "data:text/plain;base64,YWJj"
    source = jpeg_uri(Image.new("RGB", (4, 3), (200, 0, 0)))
    head, code = source.split(",")
    assert head == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(base64.b64decode(code))) as image:
        assert image.size == (4, 3)

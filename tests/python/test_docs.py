"""The site: every page has its place, every link leads somewhere, every block that is shown runs."""

import importlib.util
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest


def has_r():
    needed = "for (p in c('evaluate', 'jsonlite', 'reticulate')) loadNamespace(p)"
    rscript = shutil.which("Rscript")
    return rscript and not subprocess.run([rscript, "-e", needed], capture_output=True).returncode


MISSING = [
    what
    for what, there in [
        ("mkdocs", importlib.util.find_spec("mkdocs")),
        ("mkdocstrings", importlib.util.find_spec("mkdocstrings")),
        ("R with evaluate, jsonlite and reticulate", has_r()),
        ("bash", shutil.which("bash") and os.name != "nt"),
    ]
    if not there
]
if MISSING:
    if os.environ.get("LUCAS_FORCE_TESTS") == "true":
        raise ImportError(f"LUCAS_FORCE_TESTS is set, but {', '.join(MISSING)} is not installed")
    pytest.skip(f"{', '.join(MISSING)} is not installed", allow_module_level=True)

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", autouse=True)
def root_on_path():
    """Run as `python -m tools.docs` does: in the root, which is where tools is found."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT))
        patch.chdir(ROOT)
        yield


@pytest.fixture(scope="module")
def texts():
    from tools.docs.build import read_pages

    return read_pages(ROOT)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site without outputs of blocks; mkdocs fails where a link or the navigation is wrong."""
    from tools.docs.build import build

    folder = tmp_path_factory.mktemp("site")
    build(ROOT, folder / "site", is_run=False, work=folder / "work")
    return folder / "site"


class Loaded(HTMLParser):
    """What a page loads by itself, its pictures, and its headings."""

    def __init__(self, text):
        super().__init__()
        self.loaded, self.without_alt, self.headings, self.language = [], [], [], None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        of = dict(attributes)
        if tag == "html":
            self.language = of.get("lang")
        if tag in ("script", "img", "iframe", "source", "video", "audio", "embed", "object"):
            self.loaded += [of[name] for name in ("src", "data", "srcset") if of.get(name)]
        if tag == "link" and of.get("rel") not in ("canonical", "next", "prev", "alternate"):
            self.loaded.append(of["href"])
        if tag == "img" and not of.get("alt"):
            self.without_alt.append(of.get("src"))
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))


def test_nothing_is_loaded_from_elsewhere(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 60
    for page in pages:
        outside = [
            u
            for u in Loaded(page.read_text(encoding="utf-8")).loaded
            if re.match(r"(https?:)?//", u)
        ]
        assert not outside, page
    for style in site.rglob("*.css"):
        text = style.read_text(encoding="utf-8")
        assert not re.findall(r"url\(['\"]?(?:https?:)?//[^)]*|@import[^;]*//[^;]*", text), style


def test_pages_can_be_read_out(site):
    for page in site.rglob("*.html"):
        found = Loaded(page.read_text(encoding="utf-8"))
        assert found.language == "en"
        assert not found.without_alt, page
        if page.name != "404.html":
            assert found.headings.count(1) == 1, page
            assert found.headings[0] == 1, page
            assert all(b - a <= 1 for a, b in pairwise(found.headings)), (page, found.headings)


def test_every_public_name_has_its_page_in_both_languages(tmp_path):
    from tools.docs.reference import missing_names, read_topics

    topics = read_topics(ROOT, tmp_path)
    assert not missing_names(ROOT, topics)
    del topics["lucas_vote"]
    assert missing_names(ROOT, topics) == ["lucas_vote", "vote"]


def test_a_page_of_the_reference_has_the_names_in_all_languages(site):
    page = (site / "reference" / "vote.html").read_text(encoding="utf-8")
    for anchor in ("lucas_vote", "lucas_habitat.vote", "lucas-habitat-vote"):
        assert f'href="#{anchor}"' in page
        assert f'id="{anchor}"' in page
    assert 'href="classify.html#lucas_habitat.classify"' in page  # in Python's help
    assert 'href="classify.html"' in page  # in R's
    assert "<math" in page
    assert "katex" not in page


def test_formulas_stand_in_their_line():
    from tools.docs.formulas import with_formulas, with_formulas_of_r

    shown = with_formulas(r"a share is\n:math:`\bar f + \overline{Y - f}`, and")
    assert re.search(
        r'is\\n<span class="formula"><math .*<mrow class="bar"><mi>Y</mi>.*</math></span>, and',
        shown,
    )
    assert "<mo>&#x0003C;</mo>" in with_formulas_of_r('<code class="reqn">a &lt; b</code>')


def test_search_finds_both_languages_and_the_written_pages(site):
    index = (site / "search" / "search_index.json").read_text(encoding="utf-8")
    for words in (
        "lucas_prediction_sets",
        "prediction_sets",
        "lucas-habitat sets",
        "Who has no labelled photos",
    ):
        assert words in index


def test_blocks_say_why_they_are_not_run(texts):
    from tools.docs.build import all_blocks

    blocks = [block for block in all_blocks(texts) if block.is_shown]
    left = [block for block in blocks if block.reason is not None]
    reasons = sorted({f"{block.where}: {block.reason}" for block in left})
    print(f"{len(left)} of {len(blocks)} blocks are not run:", *reasons, sep="\n")
    assert all(len(block.reason.split()) >= 2 for block in left)
    assert len(left) < len(blocks) / 3


def tab_sets(text):
    """The labels of each set of tabs of a page."""
    sets, indent = [], None
    for line in text.splitlines():
        tab = re.match(r'( *)===\+? "(.+)"$', line)
        if tab and len(tab[1]) == indent:
            sets[-1].append(tab[2])
        elif tab:
            sets.append([tab[2]])
            indent = len(tab[1])
        elif line.strip() and indent is not None and len(line) - len(line.lstrip()) <= indent:
            indent = None
    return sets


def test_tabs_are_named_alike_and_in_one_order(texts):
    order = ["R", "Python", "Shell"]
    for page, text in texts.items():
        for labels in tab_sets(text):
            if {label.lower() for label in labels} & {"r", "python", "shell", "sh", "bash"}:
                assert labels == [label for label in order if label in labels], page


@pytest.fixture(scope="module")
def chromium():
    """A browser that reaches nothing but this computer."""
    missing = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    missing += [] if importlib.util.find_spec("selenium") else ["selenium"]
    if missing and os.environ.get("LUCAS_FORCE_TESTS") == "true":
        raise ImportError(f"LUCAS_FORCE_TESTS is set, but {', '.join(missing)} is not installed")
    if missing:
        pytest.skip(f"{', '.join(missing)} is not installed")
    from tools.docs.screenshots import browser

    with browser() as made:
        made.implicitly_wait(60)
        yield made


def chosen_tab(chromium):
    return chromium.execute_script(
        "const i = document.querySelector('.tabbed-set > input:checked');"
        "return i && document.querySelector(`label[for=${i.id}]`).textContent"
    )


def test_in_a_browser_from_a_disk(site, chromium):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    def until(condition):
        return WebDriverWait(chromium, 60).until(lambda _: condition())

    # The language that is chosen on one page is chosen on the next, and a link opens the tab it leads into.
    page = (site / "reference" / "classify.html").as_uri()
    chromium.get((site / "reference" / "vote.html").as_uri())
    assert chosen_tab(chromium) == "R"
    chromium.find_element(By.CSS_SELECTOR, ".tabbed-labels label:nth-child(2)").click()
    chromium.get(page)
    until(lambda: chosen_tab(chromium) == "Python")
    chromium.get(f"{page}#lucas_classify")
    until(lambda: chosen_tab(chromium) == "R")
    # The search finds what only R's help says.
    words = chromium.find_element(By.CSS_SELECTOR, "input.md-search__input")
    chromium.execute_script("arguments[0].focus()", words)
    words.send_keys("lucas_prediction_sets")
    until(
        lambda: chromium.execute_script(
            "return [...document.querySelectorAll('.md-search-result__item a')]"
            ".some(a => a.href.includes('reference/prediction_sets.html'))"
        )
    )
    loaded = chromium.execute_script(
        "return [...document.querySelectorAll('script[src], link[rel=stylesheet], img, iframe')]"
        ".map(e => e.src || e.href || '').filter(address => address)"
    )
    assert len(loaded) > 5
    assert not [address for address in loaded if not address.startswith(("file:", "data:"))]
    assert not [e["message"] for e in chromium.get_log("browser") if e["level"] == "SEVERE"]


PAGE = """# A page

```r
1 + 1
```

```python {alt="A line"}
draw()
```

    ```sh {error=true}
    false
    ```

<!-- run sh
x=1
-->

```sh {run="no: needs a cluster"}
go
```

```text
as it is
```
"""


def test_blocks_are_read_as_written():
    from tools.docs.blocks import blocks_of

    r, python, false, setup, cluster = blocks_of("a.md", PAGE)
    assert (r.language, r.code, r.line) == ("r", "1 + 1", 3)
    assert python.options == {"alt": "A line"}
    assert (false.code, false.is_error_expected) == ("false", True)
    assert (setup.code, setup.is_shown) == ("x=1", False)
    assert cluster.reason == "needs a cluster"


def test_what_would_pass_the_runner_by_is_refused():
    from tools.docs.blocks import PageError, blocks_of

    for block, words in [
        ("```py\nx\n```", "call it python"),
        ("```bash\nx\n```", "call it sh"),
        ("```r {run=no}\nx\n```", "say why"),
        ("```r {eval=false}\nx\n```", "options are"),
        ("```r\nx", "has no end"),
    ]:
        with pytest.raises(PageError, match=words):
            blocks_of("a.md", block)


def test_outputs_stand_below_blocks_and_languages_in_tabs():
    from tools.docs.blocks import Output, with_outputs

    outputs = {3: Output("[1] 2\n", []), 7: Output("", [Path("line.png")])}
    shown = with_outputs("a.md", PAGE, outputs, "pictures")
    assert (
        '=== "R"\n\n    ```r\n    1 + 1\n    ```\n\n    ```{ .text .output }\n    [1] 2\n    ```\n'
        in shown
    )
    assert (
        '=== "Python"\n\n    ```python\n    draw()\n    ```\n\n    ![A line](pictures/line.png)\n'
        in shown
    )
    assert "x=1" not in shown
    assert "needs a cluster" not in shown
    assert "as it is" in shown


def test_a_picture_needs_words():
    from tools.docs.blocks import Output, PageError, with_outputs

    with pytest.raises(PageError, match="say in alt"):
        with_outputs("a.md", "```r\nplot(1)\n```\n", {1: Output("", [Path("p.png")])}, "")


def test_code_that_names_a_function_leads_to_it():
    from tools.docs.pages import with_code_links

    targets = {"vote()": "reference/vote.md#x", "lucas-habitat vote": "reference/vote.md#y"}
    text = (
        "`lh.vote(p)`, `vote()`, [`vote()`](a.md), `lucas-habitat vote p.csv`, `votes()`\n\n"
        "```\n`vote()`\n```\n"
    )
    assert with_code_links(text, "howto/a.md", targets) == (
        "[`lh.vote(p)`](../reference/vote.md#x), `vote()`, [`vote()`](a.md), "
        "[`lucas-habitat vote p.csv`](../reference/vote.md#y), `votes()`\n\n```\n`vote()`\n```\n"
    )


@pytest.fixture
def runner(tmp_path, monkeypatch):
    """A runner with a demo of one file, and no R package."""
    from tools.docs import runner as module

    made = module.Runner(ROOT, tmp_path)
    (tmp_path / "demo-all").mkdir()
    (tmp_path / "demo-all" / "here.txt").write_text("here\n")
    (tmp_path / "demo-asked" / "model").mkdir(parents=True)
    for folder in ("demo-all", "demo-asked", "library"):
        (tmp_path / f"{folder}.txt").write_text(made.sources)
    return made


def run(runner, text):
    from tools.docs.blocks import blocks_of

    return runner.run(blocks_of("a.md", text)).get("a.md", {})


def test_sessions_go_on_from_block_to_block_and_apart_from_one_another(runner):
    done = run(
        runner,
        "```python\nx = 2\nopen('made.txt', 'w').close()\n```\n\n```python\nprint('so:')\nx + 1\n```\n\n"
        "```sh\nexport Y=5\nmkdir sub\ncd sub\n```\n\n```sh\ncat ../here.txt\necho $Y\nls ..\n```\n\n"
        "```r\nx <- files <- blocks <- 4\n```\n\n```r\nmessage('so:')\nx + 1\nlist.files()\n```\n",
    )
    assert [one.text for one in done.values()] == [
        "", "so:\n3\n", "", "here\n5\nhere.txt\nsub\n", "", 'so:\n[1] 5\n[1] "here.txt"\n'
    ]  # fmt: skip


def test_a_block_that_fails_is_told_and_one_that_should_too(runner):
    from tools.docs.runner import BlockError

    for text, words in [
        ("```python\n1 / 0\n```", "(?s)a.md:1 fails.*ZeroDivisionError: division by zero"),
        ("```sh\nfalse\ntrue\n```", "a.md:1 fails"),
        ("```r\nstop('oh')\n```", "(?s)a.md:1 fails.*oh"),
        ("```python {error=true}\n1\n```", "was to fail"),
        ("<!-- files: models -->\n```sh\nls\n```", "asks for models; there are model"),
    ]:
        with pytest.raises(BlockError, match=words):
            run(runner, text)
    done = run(runner, "```r {error=true}\nstop('oh')\n```\n\n```r\n1\n```")
    assert [one.text for one in done.values()] == ["Error: oh\n", "[1] 1\n"]


def test_results_are_kept_until_the_page_changes(runner, tmp_path):
    count = tmp_path / "count.txt"
    text = f"```sh\necho x >> '{count}'\n```"
    for times, page in [(1, text), (1, text), (2, f"{text}\n\n```sh\ntrue\n```")]:
        run(runner, page)
        assert len(count.read_text().split()) == times


def test_pictures_are_shown_where_they_are_drawn_or_named(runner):
    done = run(
        runner,
        "```python\nimport matplotlib.pyplot as plt\nplt.plot([1, 2])\n```\n\n"
        "```python\nplt.figure().savefig('map.png')\nplt.close()\n```\n\n```r\nplot(1)\n```\n",
    )
    assert [len(one.pictures) for one in done.values()] == [1, 1, 1]
    assert all(picture.stat().st_size > 1000 for one in done.values() for picture in one.pictures)


def test_the_first_ten_minutes_run_in_all_languages(texts, tmp_path):
    from tools.docs.blocks import blocks_of
    from tools.docs.runner import Runner

    page = "start/ten-minutes.md"
    blocks = [block for block in blocks_of(page, texts[page]) if block.reason is None]
    assert {block.language for block in blocks} == {"r", "python", "sh"}
    outputs = Runner(ROOT, tmp_path).run(blocks)[page]
    said = {block.language: "" for block in blocks}
    for block in blocks:
        said[block.language] += outputs[block.line].text
    assert all("kappa" in text.lower() for text in said.values())


@pytest.mark.slow
def test_all_blocks_run_and_all_pages_fit_a_phone(tmp_path, chromium):
    from tools.docs.build import build

    build(ROOT, tmp_path / "site", is_run=True)
    pages = sorted((tmp_path / "site").rglob("*.html"))
    texts = [page.read_text(encoding="utf-8") for page in pages]
    assert sum('class="output' in text for text in texts) > 5
    for text in texts:
        assert str(ROOT) not in text
        assert not re.search(r"[^\w]/tmp/lucas-docs", text)
    size = {"width": 400, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    sideways = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    for page in pages:
        chromium.get(page.as_uri())
        assert chromium.execute_script(sideways) <= 0, page


@pytest.mark.slow
def test_the_blocks_of_the_readme_run():
    from tools.docs.blocks import blocks_of
    from tools.docs.runner import Runner

    for name in ("README.md", "r-wrapper/README.md"):
        blocks = blocks_of(name, (ROOT / name).read_text(encoding="utf-8"))
        assert name != "README.md" or blocks
        Runner(ROOT, ROOT / "build" / "docs").run(blocks)

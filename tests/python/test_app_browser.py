"""The page in a real browser, as a person uses it. Pictures go to LUCAS_SCREENSHOTS, if it is set."""

import importlib.util
import io
import json
import os
import shutil
import threading
import time
import zipfile
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import colour_photo
from PIL import Image

from lucas_habitat.app import desk as desk_module

MISSING = [
    what
    for what, there in [
        ("Gradio", importlib.util.find_spec("gradio")),
        ("selenium", importlib.util.find_spec("selenium")),
        ("chromium", shutil.which("chromium")),
        ("chromedriver", shutil.which("chromedriver")),
    ]
    if not there
]
if MISSING:
    if os.environ.get("LUCAS_FORCE_TESTS") == "true":
        raise ImportError(f"LUCAS_FORCE_TESTS is set, but {', '.join(MISSING)} is not installed")
    pytest.skip(f"{', '.join(MISSING)} is not installed", allow_module_level=True)

from selenium import webdriver  # noqa: E402
from selenium.common.exceptions import (  # noqa: E402
    NoSuchElementException,
    StaleElementReferenceException,
)
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

CONTRAST = """
const shown = e => e.checkVisibility({opacityProperty: true, visibilityProperty: true});
const numbers = c => c.match(/[\\d.]+/g).map(Number);
const light = c => { const [r, g, b] = c.map(v => v / 255).map(
  v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return .2126*r + .7152*g + .0722*b; };
const behind = e => { for (; e; e = e.parentElement) {
  const c = numbers(getComputedStyle(e).backgroundColor);
  if (c.length < 4 || c[3] > .99) return c.slice(0, 3); } return [255, 255, 255]; };
const found = [];
for (const e of document.querySelectorAll('body *')) {
  const own = [...e.childNodes].filter(n => n.nodeType === 3).map(n => n.textContent.trim());
  if (!own.join('') || !shown(e) || e.closest('.sr-only, script, style, noscript')) continue;
  const box = e.getBoundingClientRect(); if (box.width < 2 || box.height < 2) continue;
  const [a, b] = [light(numbers(getComputedStyle(e).color).slice(0, 3)), light(behind(e))];
  found.push([(Math.max(a, b) + .05) / (Math.min(a, b) + .05), own.join(' ')]);
} return found;
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in (
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--disable-dev-shm-usage", "--lang=en", "--window-size=1200,1500", "--hide-scrollbars",
        f"--user-data-dir={tmp_path_factory.mktemp('chromium')}",
        # Nothing but this computer can be reached, so the page must be whole without a network.
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    ):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    browser = webdriver.Chrome(options=options, service=service)
    browser.set_script_timeout(120)
    yield browser
    browser.quit()


@pytest.fixture(scope="module")
def app(model, photo_folder, tmp_path_factory):
    from lucas_habitat.app.server import served_page

    table = tmp_path_factory.mktemp("review") / "rettet.csv"
    with served_page(model, None, table, photo_folder, "en") as served:
        yield served


@pytest.fixture
def page(browser, app, tmp_path):
    return Page(browser, app, tmp_path)


@pytest.fixture(scope="module")
def point(tmp_path_factory):
    """The five photos of a woody point, the western one of something else."""
    folder = tmp_path_factory.mktemp("point")
    for i, direction in enumerate("PNESW"):
        habitat = "cropland" if direction == "W" else "woody"
        colour_photo(habitat, 70 + i).save(folder / f"48003900{direction}.jpg", quality=90)
    return sorted(folder.iterdir())


class Page:
    """A tab, and what a person does in it."""

    def __init__(self, browser, app, folder):
        self.browser = browser
        self.folder = Path(os.environ.get("LUCAS_SCREENSHOTS", folder))
        self.folder.mkdir(parents=True, exist_ok=True)
        browser.get(app.url)
        self.wait(lambda: browser.find_elements(By.CSS_SELECTOR, "#upload input[type=file]"))

    def wait(self, condition, seconds=120):
        """Wait, at most so long that only a page that hangs is told; it may be drawn anew meanwhile."""
        end = time.monotonic() + seconds
        while True:
            with suppress(NoSuchElementException, StaleElementReferenceException):
                if condition():
                    return
            assert time.monotonic() < end, self.text()
            time.sleep(0.05)

    def find(self, selector):
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def text(self):
        return self.find("body").text

    def says(self, words):
        self.wait(lambda: words in self.text())

    def upload(self, *files):
        self.find("#upload input[type=file]").send_keys("\n".join(map(str, files)))

    def click(self, words, within="body"):
        self.wait(lambda: self._clicked(words, within))

    def _clicked(self, words, within):
        for element in self.browser.find_elements(
            By.CSS_SELECTOR, f"{within} button, {within} label"
        ):
            if element.text.strip() == words and element.is_displayed():
                element.click()
                return True
        return False

    def picture(self, name, width=1200):
        height = self.browser.execute_script("return document.documentElement.scrollHeight")
        self.browser.set_window_size(width, max(900, min(height + 150, 4000)))
        time.sleep(0.3)
        assert self.browser.save_screenshot(str(self.folder / f"{name}.png"))
        self.browser.set_window_size(1200, 1500)

    def readable(self):
        """Every text has a contrast of 4.5 at least (WCAG 2.1, level AA)."""
        found = self.browser.execute_script(CONTRAST)
        assert len(found) > 5
        assert not [f for f in found if f[0] < 4.5]


def test_one_photo(page, point, app):
    page.upload(point[0])
    page.says("This photo alone: woody")
    assert "48003900E.jpg" in page.text()
    # Of the upload there is one copy, the tab's; Gradio leaves a file of 0 bytes besides.
    kept = [p.name for p in app.folder.rglob("*") if p.is_file() and p.stat().st_size]
    assert kept == ["48003900E.jpg"]
    assert "Point 48003900" not in page.text().split("Look closer")[0]
    shares = page.browser.find_elements(By.CSS_SELECTOR, "#answer .share")
    assert len(shares) == 4
    loaded = page.browser.execute_script(
        "return [...document.images].map(i => [i.alt, i.complete && i.naturalWidth > 0])"
    )
    assert ["48003900E.jpg", True] in loaded
    page.click("Show where the model looked")
    page.says("In training: ")
    page.readable()
    page.picture("one")


def test_five_photos_of_a_point(page, point):
    page.upload(*point)
    page.says("Point 48003900: woody")
    page.says("4 of 5 photos say so")
    assert page.text().count("This photo alone: woody") == 4
    assert page.text().count("This photo alone: cropland") == 1
    widths = page.browser.execute_script(
        "return [...document.querySelectorAll('.photos .track')].map(e => e.offsetWidth)"
    )
    assert min(widths) >= 50  # a bar is there to be compared
    assert max(widths) - min(widths) <= 2
    page.picture("five")
    page.click("Show where the model looked")
    page.says("Where the model looked for cropland")
    assert len(page.browser.find_elements(By.CSS_SELECTOR, "#closer img")) == 5 * (1 + 3)
    page.readable()
    page.picture("five-closer")


def test_a_zip_of_points(page, tmp_path):
    with zipfile.ZipFile(tmp_path / "points.zip", "w") as archive:
        for number, habitat in (("48003900", "woody"), ("48203900", "grassland")):
            for i, direction in enumerate("NS"):
                photo = io.BytesIO()
                colour_photo(habitat, 80 + i).save(photo, "JPEG")
                archive.writestr(f"2018/{number}{direction}.jpg", photo.getvalue())
        archive.writestr("../../out.jpg", b"x")
        archive.writestr("leaflet.pdf", b"x")
    page.upload(tmp_path / "points.zip")
    page.says("Point 48003900, 2018: woody")
    page.says("Point 48203900, 2018: grassland")
    page.says("../../out.jpg: Its name leads out of the zip")
    page.readable()
    page.picture("zip")


def test_correct(page, point, app):
    page.upload(*point)
    page.says("Point 48003900: woody")
    page.click("Save the correction")
    page.says("Choose the right class first.")
    page.click("grassland", "#right")
    page.click("Save the correction")
    page.says("Saved: 5 photos of 48003900 are grassland.")
    page.readable()
    page.picture("correct")
    table = pd.read_csv(app.desk.corrections)
    assert table["habitat"].tolist() == ["grassland"] * 5
    assert sorted(table["predicted"]) == ["cropland"] + ["woody"] * 4


def test_switch_language(page, point):
    page.upload(*point)
    page.says("Point 48003900: woody")
    page.click("Dansk", "#language")
    page.says("Punkt 48003900: woody")
    page.says("4 af 5 fotos siger det")
    page.wait(lambda: "Show where the model looked" not in page.text())
    for words in ("Se nærmere", "Ret modellen", "Rigtig klasse", "Gem rettelsen", "Sprog"):
        page.says(words)
    for words in ("Look closer", "Correct", "Save", "Language", "Photo or point"):
        page.wait(lambda words=words: words not in page.text())
    page.wait(lambda: page.find("html").get_attribute("lang") == "da")
    box = page.find("#upload button")
    page.wait(
        lambda: box.get_attribute("aria-label") == "Træk fotos hertil, eller klik for at vælge dem"
    )
    shown = "return getComputedStyle(arguments[0], '::after').content"
    label = page.find("#upload [data-testid=upload-text]")
    assert "Træk fotos hertil" in page.browser.execute_script(shown, label)
    page.readable()
    page.picture("danish")


def test_rubbish(page, tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "letter.txt").write_text("Dear Sir or Madam")
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "zip.zip").write_bytes(b"PK")
    (tmp_path / "text.jpg").write_text("Dear Sir or Madam")
    (tmp_path / "<img src=x onerror=document.title='pwned'>.jpg").write_bytes(b"x")
    (tmp_path / "${document.title='pwned'}.jpg").write_bytes(b"x")
    (tmp_path / "{{title}}.jpg").write_bytes(b"x")
    Image.fromarray(rng.integers(0, 256, (300, 400, 3), dtype=np.uint8)).save(
        tmp_path / "noise.png"
    )
    files = sorted(p for p in tmp_path.iterdir() if p.suffix and p.name != "rettet.csv")
    page.upload(*files)
    page.says("empty.jpg: The file is empty.")
    page.says("letter.txt: This is no photo")
    page.says("zip.zip: The zip is damaged.")
    page.says("unlike anything in training")
    assert "pwned" not in page.browser.title
    page.readable()
    page.picture("rubbish")
    page.upload(tmp_path / "empty.jpg")
    page.says("None of these files could be used.")
    page.wait(lambda: "Look closer" not in page.text())


def test_two_tabs_at_once(page, point, app, browser, tmp_path):
    colour_photo("cropland", 5).save(tmp_path / "field.jpg")
    page.upload(*point)
    page.says("Point 48003900: woody")
    first = browser.current_window_handle
    browser.switch_to.new_window("tab")
    other = Page(browser, app, tmp_path)
    other.upload(tmp_path / "field.jpg")
    other.says("This photo alone: cropland")
    assert "48003900" not in other.text()
    assert len(app.desk._drops) >= 2
    folders = {s.folder for s in app.desk._drops.values()}
    browser.switch_to.window(first)
    page.click("artificial", "#right")
    page.click("Save the correction")
    page.says("Saved: 5 photos of 48003900 are artificial.")
    browser.switch_to.window(browser.window_handles[-1])
    other.click("grassland", "#right")
    other.click("Save the correction")
    other.says("Saved: field.jpg is grassland.")
    other.picture("second-tab")
    browser.close()
    browser.switch_to.window(first)
    # What the closed tab had dropped is gone, what the open one had is there.
    other.wait(lambda: sum(folder.exists() for folder in folders) < len(folders))
    page.click("Show where the model looked")
    page.says("In training: ")
    page.picture("first-tab")
    kept = {p.name for p in app.desk.corrections.with_name("rettet_photos").iterdir()}
    assert len(kept) == 6


@pytest.fixture
def gates(monkeypatch):
    """A photo is classified when the test opens its gate; gates are there for the photos that wait."""
    whole, gates = desk_module.extract_features, {}

    def waiting(photos, *given, **options):
        gate = gates.setdefault(os.path.basename(photos[0]), threading.Event())
        assert gate.wait(300)
        return whole(photos, *given, **options)

    monkeypatch.setattr(desk_module, "extract_features", waiting)
    yield gates
    for gate in gates.values():
        gate.set()


def uploads(app):
    return {p.name for p in app.folder.rglob("*") if p.is_file()}


def test_a_tab_closed_while_its_photos_are_classified(page, app, browser, gates, tmp_path):
    colour_photo("woody", 5).save(tmp_path / "closing.jpg")
    first = browser.current_window_handle
    tabs = set(app.desk._turns)
    browser.switch_to.new_window("tab")
    other = Page(browser, app, tmp_path)
    other.upload(tmp_path / "closing.jpg")
    other.wait(lambda: "closing.jpg" in gates)
    (tab,) = set(app.desk._turns) - tabs
    browser.close()
    browser.switch_to.window(first)
    page.wait(lambda: tab not in app.desk._turns)
    assert "closing.jpg" in uploads(app)
    gates["closing.jpg"].set()
    page.wait(lambda: "closing.jpg" not in uploads(app))


def test_a_drop_while_the_one_before_is_classified(page, app, gates, tmp_path):
    colour_photo("woody", 5).save(tmp_path / "early.jpg")
    colour_photo("cropland", 5).save(tmp_path / "field.jpg")
    page.upload(tmp_path / "early.jpg")
    page.wait(lambda: "early.jpg" in gates)
    page.upload(tmp_path / "field.jpg")
    page.wait(lambda: "field.jpg" in gates)
    gates["early.jpg"].set()
    page.wait(lambda: "early.jpg" not in uploads(app))
    gates["field.jpg"].set()
    page.says("This photo alone: cropland")
    assert "early.jpg" not in page.text()
    page.click("Show where the model looked")
    page.says("In training: ")


def test_with_the_keyboard_alone(page, point, browser):
    page.upload(*point)
    page.says("Point 48003900: woody")
    page.wait(lambda: page.find("#save").is_displayed())
    browser.execute_script("document.activeElement.blur(); window.scrollTo(0, 0)")
    reached = []
    for _ in range(30):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        where = browser.execute_script(
            "const e = document.activeElement; const n = e.closest('[id]:not([id^=component])');"
            "return [e.closest('#language,#upload,#choice,#show,#right,#save')?.id || '',"
            " e.getAttribute('aria-label') || e.labels?.[0]?.textContent || e.textContent]"
        )
        reached.append(where)
        if where[0] == "save":
            break
    order = [r[0] for i, r in enumerate(reached) if r[0] and (not i or reached[i - 1][0] != r[0])]
    assert order == ["language", "upload", "choice", "show", "right", "save"]
    assert all(r[1].strip() for r in reached if r[0])  # everything has a name to read out
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    page.says("Choose the right class first.")
    roles = browser.execute_script(
        "return [...document.querySelectorAll('#saved [role=alert]')].map(e => e.textContent)"
    )
    assert roles == ["Choose the right class first."]
    assert browser.execute_script(
        "return [...document.images].filter(i => !i.hasAttribute('alt')).map(i => i.outerHTML)"
    ) == []  # fmt: skip
    levels = browser.execute_script(
        "return [...document.querySelectorAll('h1,h2,h3')].filter(e => e.checkVisibility())"
        ".map(e => +e.tagName[1])"
    )
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))


def test_a_dark_system_and_a_narrow_window_can_read_it_too(page, point, app, browser):
    dark = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", dark)
    browser.set_window_size(520, 1500)
    browser.get(app.url)
    page.wait(lambda: browser.find_elements(By.CSS_SELECTOR, "#upload input[type=file]"))
    assert browser.execute_script("return matchMedia('(prefers-color-scheme: dark)').matches")
    page.upload(*point)
    page.says("Point 48003900: woody")
    page.readable()
    sideways = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert browser.execute_script(sideways) <= 0
    page.picture("dark-narrow", 520)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_no_request_left_this_computer_and_nothing_was_missing(browser):
    asked, failed = set(), []
    for entry in browser.get_log("performance"):
        found = json.loads(entry["message"])["message"]
        if found["method"] == "Network.requestWillBeSent":
            asked.add(found["params"]["request"]["url"].split("?")[0])
        if found["method"] == "Network.responseReceived":
            response = found["params"]["response"]
            if response["status"] >= 400:
                failed.append((response["status"], response["url"]))
    outside = {
        u for u in asked if not u.startswith(("http://127.0.0.1:", "data:", "blob:", "chrome"))
    }
    assert len(asked) > 10
    assert not outside
    assert not failed
    said = [e["message"] for e in browser.get_log("browser") if e["level"] == "SEVERE"]
    assert not said

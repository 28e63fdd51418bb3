"""Takes the pictures of the page and the report: screenshots.py FOLDER, in the folder of the demo."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
from selenium import webdriver
from selenium.webdriver.common.by import By

import lucas_habitat as lh

POINT_PHOTOS = 5
SECONDS = 180


def main(out):
    out = Path(out)
    lh.report("predictions.csv", "report.html", model="model")
    with browser() as chromium:
        for scheme in ("light", "dark"):
            set_scheme(chromium, scheme)
            chromium.get(Path("report.html").resolve().as_uri())
            take(chromium, out / f"report-{scheme}.png", height=1300)
        with page() as address:
            for scheme in ("light", "dark"):
                set_scheme(chromium, scheme)
                chromium.get(address)
                drop_point(chromium)
                take(chromium, out / f"app-{scheme}.png", height=1500)


@contextmanager
def browser():
    """Chromium, in a window of a page's width, which reaches nothing but this computer."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    with tempfile.TemporaryDirectory() as profile:
        for argument in (
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--no-first-run", "--lang=en", f"--user-data-dir={profile}",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        ):  # fmt: skip
            options.add_argument(argument)
        service = webdriver.ChromeService(shutil.which("chromedriver"))
        chromium = webdriver.Chrome(options=options, service=service)
        try:
            yield chromium
        finally:
            chromium.quit()


@contextmanager
def page():
    """The page of `lucas-habitat app`; gives its address."""
    command = ["lucas-habitat", "app", "--model", "model", "--photos", "photos", "--no-browser"]
    log = Path("app.txt")
    with log.open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
    try:
        yield waited(lambda: (re.findall(r"http://127\.0\.0\.1:\S+", log.read_text()) or [None])[0])
    finally:
        process.terminate()
        process.wait(60)


def drop_point(chromium):
    """Drop the photos of the first test point that has five of them."""
    photos = pd.read_csv("predictions.csv").dropna(subset=["direction", "predicted"])
    per_point = photos.groupby(["point_id", "year"])["path"].agg(list)
    files = next(files for files in per_point if len(files) == POINT_PHOTOS)
    box = waited(lambda: chromium.find_elements(By.CSS_SELECTOR, "#upload input[type=file]"))[0]
    box.send_keys("\n".join(os.path.abspath(file) for file in files))
    waited(lambda: "photos say so" in chromium.find_element(By.TAG_NAME, "body").text)
    time.sleep(1)  # until the bars have grown


def waited(condition):
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        if result := condition():
            return result
        time.sleep(0.1)
    sys.exit("the page did not come in time")


def set_scheme(chromium, scheme):
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    size = {"width": 1000, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def take(chromium, file, height):
    whole = chromium.execute_script("return document.documentElement.scrollHeight")
    size = {"width": 1000, "height": min(whole, height), "deviceScaleFactor": 1, "mobile": False}
    chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    time.sleep(0.5)
    if not chromium.save_screenshot(str(file)):
        sys.exit(f"{file} was not written")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Downloading from a local server with the survey's addresses and all that can go wrong."""

import errno
import http.server
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from survey_server import JPEG, PHOTOS, Handler, Server, jpeg

from lucas_habitat.downloads import server as downloads_server
from lucas_habitat.errors import DownloadError, InputError, LucasError
from lucas_habitat.survey import journal
from lucas_habitat.survey import photos as fetching
from lucas_habitat.survey import server as survey_server
from lucas_habitat.survey.credit import credit
from lucas_habitat.survey.photos import download_photos
from lucas_habitat.survey.selection import select_points
from lucas_habitat.survey.server import photo_url
from lucas_habitat.survey.table_files import download_table
from lucas_habitat.survey.tables import read_survey

pytestmark = pytest.mark.filterwarnings("ignore::lucas_habitat.errors.LucasMessage")


@pytest.fixture
def server():
    running = Server()
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(downloads_server, "_BACKOFF", 0.01)


def points(n=1, year=2018, nuts0="UK", **columns):
    ids = [f"{3160 + 2 * i:04d}3628" for i in range(n)]
    return pd.DataFrame({"point_id": ids, "year": year, "nuts0": nuts0, **columns})


def path_of(row, direction="P"):
    return photo_url(row.point_id, row.year, row.nuts0, direction).removeprefix(survey_server.BASE)


def serve(server, table, directions="PNESW"):
    paths = [path_of(row, d) for row in table.itertuples() for d in directions]
    server.files |= dict.fromkeys(paths, JPEG)
    return paths


def get(table, folder, server, **options):
    options = {"per_second": 1000, "progress": False} | options
    return download_photos(table, folder, base=server.base, **options)


# Addresses


def test_addresses_of_all_years():
    base = "https://gisco-services.ec.europa.eu/lucas/photos"
    for year in (2006, 2009, 2012, 2015, 2018):
        url = photo_url("31603628", year, "UK", "N")
        assert url == f"{base}/{year}/UK/316/036/31603628N.jpg"
    names = {"P": "Point", "N": "North", "E": "East", "S": "South", "W": "West", "C": "CropLC1"}
    for letter, word in names.items():
        url = photo_url("47282098", 2022, "IT", letter)
        assert url == f"{base}/2022/IT/472/820/202247282098LCLU_{word}.jpg"


def test_addresses_are_those_in_the_table(shared):
    path = shared / "data" / "lucas" / "lucas_harmo_uf_sample.csv"
    columns = [f"file_path_gisco_{d}" for d in ("point", "north", "east", "south", "west")]
    for row in read_survey(path, columns=columns).itertuples():
        for column, letter in zip(columns, "PNESW", strict=True):
            assert photo_url(row.point_id, row.year, row.nuts0, letter) == getattr(row, column)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"point_id": "../../et"}, "8 digits"),
        ({"point_id": "3160362"}, "8 digits"),
        ({"point_id": "31603628/.."}, "8 digits"),
        ({"point_id": "３１６０３６２８"}, "8 digits"),
        ({"nuts0": ".."}, "two capital letters"),
        ({"nuts0": "/etc"}, "two capital letters"),
        ({"nuts0": None}, "two capital letters"),
        ({"year": 2017}, "must be a campaign"),
        ({"year": None}, "must be a campaign"),
    ],
)
def test_nothing_but_digits_and_letters_becomes_a_path(tmp_path, server, change, message):
    table = points(1).astype({"year": "Int64"}).assign(**change)
    with pytest.raises(InputError, match=message):
        get(table, tmp_path / "out", server)
    assert not server.asked
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_a_line_break_is_no_digit():
    with pytest.raises(InputError, match="8 digits"):
        photo_url("31603628\n", 2018, "UK", "N")
    with pytest.raises(InputError, match="two capital letters"):
        photo_url("31603628", 2018, "UK\n", "N")
    with pytest.raises(InputError, match="direction must be"):
        photo_url("31603628", 2018, "UK", "north")


@pytest.mark.parametrize(
    "base",
    [
        "http://gisco-services.ec.europa.eu",
        "ftp://localhost",
        "https://me:word@localhost",
        "https://",
        "localhost",
    ],
)
def test_only_https_or_this_computer(tmp_path, base):
    with pytest.raises(InputError, match="https address"):
        download_photos(points(), tmp_path, base=base)
    with pytest.raises(InputError, match="https address"):
        download_table(base, tmp_path / "a.csv")


def test_a_query_is_for_tables_only(tmp_path, server):
    with pytest.raises(InputError, match="without user, query or fragment"):
        download_photos(points(), tmp_path, base=server.base + "/?a=b")
    server.files["/table?a=b"] = TABLE
    path = download_table(server.base + "/table?a=b", tmp_path / "a.csv", progress=False)
    assert path.read_bytes() == TABLE


@pytest.mark.parametrize(
    "options",
    [{"connections": 40}, {"per_second": 0}, {"retries": -1}, {"timeout": 0}, {"directions": "PX"}],
)
def test_options_have_bounds(tmp_path, options, server):
    with pytest.raises(InputError, match=next(iter(options))):
        get(points(), tmp_path, server, **options)


def test_the_real_server_is_spared():
    with pytest.raises(InputError, match=r"per_second must be .* at most 50"):
        download_photos(points(), "nowhere", per_second=51)


# What comes back


def test_a_photo_table_in_the_surveys_layout(tmp_path, server):
    table = points(2, habitat=["woody", "grassland"], lc1=["C10", "E20"], x=[3.16e6, 3.162e6])
    table["photo_west"] = [True, False]
    serve(server, table)
    folder = tmp_path / "fotos på ø"
    photos = get(table, folder, server)
    assert list(photos["direction"]) == list("PNESWPNES")  # the one not taken is not asked for
    assert list(photos["habitat"]) == ["woody"] * 5 + ["grassland"] * 4
    assert list(photos["lc1"].unique()) == ["C10", "E20"]
    assert photos["x"].iloc[-1] == 3_162_000
    assert set(photos["status"]) == {"ok"}
    assert photos["error"].isna().all()
    assert photos["year"].dtype == "Int64"
    assert not [c for c in photos if c.startswith(("photo_", "_"))]
    first = folder / "2018" / "UK" / "316" / "036" / "31603628P.jpg"
    assert photos["path"].iloc[0] == str(first)
    assert first.read_bytes() == JPEG
    assert not list(folder.rglob("*.part"))
    from lucas_habitat import list_photos

    listed = list_photos(folder)
    assert set(listed["path"]) == set(photos["path"])
    assert set(listed["nuts0"]) == {"UK"}


def test_2022_has_its_names_and_is_read_back(tmp_path, server):
    table = points(1, year=2022)
    serve(server, table, "PC")
    photos = get(table, tmp_path, server, directions="PC")
    assert [Path(p).name for p in photos["path"]] == [
        "202231603628LCLU_Point.jpg",
        "202231603628LCLU_CropLC1.jpg",
    ]
    from lucas_habitat import list_photos

    assert list(list_photos(tmp_path)["direction"].sort_values()) == ["C", "P"]


def test_what_is_there_is_not_fetched_again(tmp_path, server):
    table = points(2)
    paths = serve(server, table)
    get(table.iloc[:1], tmp_path, server)
    photos = get(table, tmp_path, server)
    assert set(photos["status"]) == {"ok"}
    Path(photos["path"].iloc[0]).unlink()
    Path(photos["path"].iloc[1]).write_bytes(b"cut off")
    again = get(table, tmp_path, server)
    assert again.equals(photos)
    assert [server.asked[p] for p in paths] == [2, 2] + [1] * 8


def test_photos_brought_by_hand_are_taken_if_they_are_photos(tmp_path, server):
    table = points(1)
    paths = serve(server, table)
    place = tmp_path / "2018" / "UK" / "316" / "036"
    place.mkdir(parents=True)
    (place / "31603628P.jpg").write_bytes(jpeg(2))
    (place / "31603628N.jpg").write_bytes(JPEG[:2000])
    get(table, tmp_path, server)
    assert [server.asked[p] for p in paths] == [0, 1, 1, 1, 1]
    assert (place / "31603628N.jpg").read_bytes() == JPEG
    manifest = pd.read_parquet(tmp_path / "downloads.parquet")
    assert set(manifest["status"]) == {"ok"}
    assert len(manifest) == 5


def test_what_one_server_lacks_another_may_have(tmp_path, server):
    table = points(1)
    paths = serve(server, table)
    wrong = download_photos(table, tmp_path, base=server.base + "/nowhere", progress=False)
    assert set(wrong["status"]) == {"missing"}
    assert set(get(table, tmp_path, server)["status"]) == {"ok"}
    assert [server.asked[p] for p in paths] == [1] * 5


def test_manifest_tells_what_was_fetched(tmp_path, server):
    import hashlib

    table = points(1)
    serve(server, table, "P")
    get(table, tmp_path, server, directions="PN")
    ok, missing = (
        pd.read_parquet(tmp_path / "downloads.parquet")
        .sort_values("status", ascending=False)
        .to_dict("records")
    )
    assert ok["photo"] == "2018/UK/316/036/31603628P.jpg"
    assert ok["url"] == server.base + PHOTOS + ok["photo"]
    assert ok["sha256"] == hashlib.sha256(JPEG).hexdigest()
    assert ok["bytes"] == len(JPEG)
    assert ok["etag"].startswith('"')
    assert ok["attempts"] == 1
    assert abs(pd.Timestamp(ok["fetched"]) - pd.Timestamp.now("UTC")) < pd.Timedelta("1min")
    assert missing["status"] == "missing"
    assert missing["error"] == "the server answered 404 Not Found"
    assert not (tmp_path / "downloads.jsonl").exists()


def test_points_from_a_file_and_bad_points(tmp_path, server):
    table = points(1)
    serve(server, table)
    table.to_csv(tmp_path / "points.csv", index=False)
    assert len(get(tmp_path / "points.csv", tmp_path, server)) == 5
    with pytest.raises(InputError, match="needs the column nuts0"):
        get(table.drop(columns="nuts0"), tmp_path, server)
    with pytest.raises(InputError, match="no rows"):
        get(table.iloc[:0], tmp_path, server)
    with pytest.raises(InputError, match="1 rows have a point and year that another row has"):
        get(pd.concat([table, table]), tmp_path, server)
    with pytest.raises(InputError, match="None of the photos P of these points was taken"):
        get(table.assign(photo_point=False), tmp_path, server, directions="P")


def test_credit_is_printed(tmp_path, server):
    table = points(1, year=[2015])
    serve(server, table)
    message = (
        r"5 of 5 photos are in .* 5 were asked for now\. \(c\) European Union, LUCAS 2015, Euro"
    )
    with pytest.warns(UserWarning, match=message):
        get(table, tmp_path, server)


def test_credit_names_years_licence_and_paper():
    text = credit(pd.Series([2018, 2006, 2018, None], dtype="Int64"))
    assert text.splitlines()[0] == "(c) European Union, LUCAS 2006, 2018, Eurostat"
    for part in ("CC BY 4.0", "changed", "d'Andrimont", "7:352", "10.1038/s41597-020-00675-z"):
        assert part in text
    assert credit(2022).startswith("(c) European Union, LUCAS 2022, Eurostat")
    for wrong in ([], [2017]):
        with pytest.raises(InputError, match="campaigns"):
            credit(wrong)
    with pytest.raises(InputError, match="years must be a whole number or several whole numbers"):
        credit([None])


# Faults

BUSY = {"code": 429, "headers": {"Retry-After": "0"}}
ONCE = [
    ["slow"],
    ["slow chunked"],
    ["500", "ok"],
    [BUSY, BUSY, "ok"],
    ["halfway", "ok"],
    ["too long", "halfway", "ok"],
    [{"code": 302, "headers": {"Location": "31603628E.jpg"}}],
]


@pytest.mark.parametrize("faults", ONCE, ids=lambda f: "+".join(map(str, f)))
def test_faults_that_pass(tmp_path, server, faults):
    table = points(1)
    paths = serve(server, table)
    server.faults[paths[0]] = faults
    photos = get(table, tmp_path, server)
    assert set(photos["status"]) == {"ok"}
    assert Path(photos["path"].iloc[0]).read_bytes() == JPEG
    assert server.asked[paths[0]] == len(faults)


LASTING = {
    "404": ("missing", "404 Not Found", 1, True),
    "tiny": ("too small", "the file has 9?[0-9]+ bytes", 1, True),
    "empty": ("empty", "0 bytes", 1, True),
    "damaged": ("damaged", "truncated", 1, True),
    "too short": ("damaged", "truncated", 1, True),
    "html": ("not a photo", "the server sent text/html", 1, False),
    "lying html": ("not a photo", "no JPEG; begins with b'<!DOCTYP'", 1, False),
    "403": ("refused", "403 Forbidden", 1, False),
    "500": ("server error", "500 Internal Server Error", 3, False),
    "halfway": ("incomplete", "", 3, False),
    "too long": ("incomplete", "", 3, False),
}


@pytest.mark.parametrize("fault", LASTING)
def test_faults_that_last_are_rows_with_reasons(tmp_path, server, fault):
    status, error, times, final = LASTING[fault]
    table = points(1, habitat="woody")
    paths = serve(server, table)
    server.faults[paths[1]] = [fault]
    options = {"retries": 2, "timeout": 300}
    photos = get(table, tmp_path, server, **options)
    assert list(photos["status"]) == ["ok", status, "ok", "ok", "ok"]
    assert status in journal.DOWNLOAD_STATUSES
    import re

    assert re.search(error, photos["error"].iloc[1])
    assert photos["habitat"].iloc[1] == "woody"
    assert not Path(photos["path"].iloc[1]).exists()
    assert server.asked[paths[1]] == times
    # Asked again only for what may have passed, or when told to.
    del server.faults[paths[1]]
    second = get(table, tmp_path, server, **options)
    assert (second["status"].iloc[1] == "ok") is not final
    third = get(table, tmp_path, server, again=True, **options)
    assert set(third["status"]) == {"ok"}
    assert server.asked[paths[0]] == 1


def test_a_photo_that_comes_too_slowly_is_given_up(tmp_path, server, monkeypatch):
    (path,) = serve(server, points(1), "P")
    hours = count(0, 3600)
    monkeypatch.setattr(fetching, "time", SimpleNamespace(monotonic=lambda: next(hours)))
    photos = get(points(1), tmp_path, server, directions="P", retries=2, timeout=300)
    assert photos["status"].tolist() == ["incomplete"]
    assert photos["error"].str.endswith("bytes came in time").all()
    assert server.asked[path] == 3


@pytest.mark.parametrize(
    "there",
    ["http://localhost:1/a.jpg", "http://example.org/a.jpg", "file:///etc/passwd", "https://[x/"],
)
def test_redirects_elsewhere_are_not_followed(tmp_path, server, there):
    table = points(1)
    paths = serve(server, table)
    server.faults[paths[0]] = [{"code": 302, "headers": {"Location": there}}]
    photos = get(table, tmp_path, server)
    assert photos["status"].iloc[0] == "redirected"
    assert list(photos["status"][1:]) == ["ok"] * 4


def test_an_answer_that_is_no_http(tmp_path, server):
    paths = serve(server, points(1))
    server.faults[paths[0]] = [{"code": 302, "headers": {"Location": "https://x\0/"}}]
    photos = get(points(1), tmp_path, server, retries=1)
    assert list(photos["status"]) == ["server error"] + ["ok"] * 4


def test_endless_redirects_end(tmp_path, server):
    paths = serve(server, points(1))
    server.faults[paths[0]] = [{"code": 301, "headers": {"Location": paths[0]}}]
    assert get(points(1), tmp_path, server)["error"].iloc[0].startswith("the server points on")
    assert server.asked[paths[0]] == 4


def test_retry_after_is_honoured(tmp_path, server):
    paths = serve(server, points(1), "P")
    server.faults[paths[0]] = [{"code": 503, "headers": {"Retry-After": "1"}}, "ok"]
    start = time.monotonic()
    photos = get(points(1), tmp_path, server, directions="P")
    assert photos["status"].iloc[0] == "ok"
    assert time.monotonic() - start >= 1


def test_retry_after_may_be_a_date_and_is_bounded(tmp_path, server):
    paths = serve(server, points(2), "P")
    later = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 4000))
    server.faults[paths[1]] = [{"code": 429, "headers": {"Retry-After": later}}]
    with pytest.raises(DownloadError, match=r"come back in (3,9|4,0)\d\d seconds"):
        get(points(2), tmp_path, server, directions="P", connections=1)
    assert len(pd.read_parquet(tmp_path / "downloads.parquet")) == 1


def test_backoff_grows():
    waits = []

    class Pace(downloads_server.Pace):
        def sleep(self, seconds):
            waits.append(seconds)

        def wait(self):
            pass

    def fails():
        raise downloads_server.FaultError("server error", "", again=True)

    with pytest.raises(downloads_server.FaultError):
        downloads_server.persist(fails, Pace(1), 4)
    for done, seconds in enumerate(waits):
        assert 0.005 * 2**done <= seconds <= 0.015 * 2**done
    assert len(waits) == 4


def test_few_connections_and_a_rate(tmp_path, server):
    table = points(6)
    paths = serve(server, table)
    server.faults |= {path: ["slow"] for path in paths}
    start = time.monotonic()
    get(table, tmp_path, server, connections=3, per_second=40)
    assert time.monotonic() - start >= 29 / 40
    assert 1 < server.most <= 3
    (agent,) = server.agents
    assert agent.startswith("lucas-habitat/0.")


def test_progress_is_told(tmp_path, server):
    reports = []
    serve(server, points(1))
    get(
        points(1),
        tmp_path,
        server,
        progress=lambda done, total, what: reports.append((done, total)),
    )
    assert reports[0] == (0, 5)
    assert reports[-1] == (5, 5)


# What ends a run


def test_no_network(tmp_path, server):
    options = {"retries": 1, "per_second": 50, "progress": False}
    with pytest.raises(
        DownloadError, match=r"lucas\.invalid cannot be reached.*online.*HTTPS_PROXY"
    ):
        download_photos(points(9), tmp_path, base="https://lucas.invalid", **options)
    server.stop()
    with pytest.raises(LucasError, match="cannot be reached"):
        get(points(9), tmp_path, server, retries=0)
    assert set(pd.read_parquet(tmp_path / "downloads.parquet")["status"]) == {"unreachable"}


def test_a_network_that_goes_away_keeps_what_came(tmp_path, server):
    table = points(8)
    serve(server, table)
    get(table.iloc[:2], tmp_path, server)
    server.stop()
    with pytest.raises(DownloadError, match="run again to go on"):
        get(table, tmp_path, server, retries=0)
    assert len(list(tmp_path.rglob("*.jpg"))) == 10


def test_a_proxy_that_refuses(tmp_path, server, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", server.base)
    with pytest.raises(DownloadError, match=r"proxy refused.*407.*HTTPS_PROXY"):
        download_photos(points(1), tmp_path, base="https://lucas.invalid", progress=False)
    monkeypatch.setenv("HTTPS_PROXY", "nonsense://x")
    with pytest.raises(DownloadError, match="proxy or certificates set in the environment"):
        download_photos(points(1), tmp_path, base="https://lucas.invalid", progress=False)


def test_a_proxy_is_not_asked_for_this_computer(tmp_path, server, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    serve(server, points(1))
    assert set(get(points(1), tmp_path, server)["status"]) == {"ok"}


def test_certificates_are_checked(tmp_path, server, monkeypatch):
    if not shutil.which("openssl"):
        pytest.skip("openssl is not here to make a certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out",
         certificate, "-days", "2", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    secure = Server.__new__(Server)
    http.server.ThreadingHTTPServer.__init__(secure, ("127.0.0.1", 0), Handler)
    secure.socket = context.wrap_socket(secure.socket, server_side=True)
    for name in ("files", "faults", "asked", "agents", "lock", "now", "most", "held_after"):
        setattr(secure, name, getattr(server, name))
    threading.Thread(target=secure.serve_forever, args=(0.02,), daemon=True).start()
    serve(server, points(1))
    options = {"base": f"https://localhost:{secure.server_port}", "progress": False}
    try:
        with pytest.raises(DownloadError, match=r"certificate of localhost.*SSL_CERT_FILE"):
            download_photos(points(1), tmp_path, **options)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        photos = download_photos(points(1), tmp_path, per_second=50, **options)
        assert set(photos["status"]) == {"ok"}
    finally:
        secure.stop()


def test_a_full_disk(tmp_path, server, monkeypatch):
    table = points(4)
    serve(server, table)
    written = []

    def full(descriptor):
        written.append(descriptor)
        if len(written) > 7:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(DownloadError, match=r"disk of .* is full.*run again"):
            get(table, tmp_path, server)
    assert len(list(tmp_path.rglob("*.jpg"))) == 7
    assert set(get(table, tmp_path, server)["status"]) == {"ok"}
    assert sum(server.asked.values()) <= 20 + 4  # those in flight


def test_a_folder_that_cannot_be_written(tmp_path, server):
    (tmp_path / "file").write_text("")
    with pytest.raises(DownloadError, match="Cannot write to"):
        get(points(1), tmp_path / "file", server)


def test_ctrl_c_keeps_what_came(tmp_path, server):
    table = points(8)
    serve(server, table)

    def stop(done, total, what):
        if done == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(table, tmp_path, server, progress=stop)
    n_records = len(pd.read_parquet(tmp_path / "downloads.parquet"))
    assert 10 <= n_records < 40
    get(table, tmp_path, server)
    assert sum(server.asked.values()) <= 40 + 4  # those in flight


def test_a_line_cut_off_by_a_kill(tmp_path, server):
    table = points(1)
    serve(server, table)
    get(table, tmp_path, server)
    (tmp_path / "downloads.jsonl").write_bytes(b'{"photo": "2018/UK/316/036/3160')
    assert set(get(table, tmp_path, server)["status"]) == {"ok"}
    assert sum(server.asked.values()) == 5


def test_a_photo_killed_before_its_name_is_not_fetched_again(tmp_path, server, monkeypatch):
    table = points(1)
    serve(server, table, "P")

    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", die)
        with pytest.raises(KeyboardInterrupt):
            get(table, tmp_path, server, directions="P")
    assert not list(tmp_path.rglob("*.jpg"))
    photos = get(table, tmp_path, server, directions="P")
    assert Path(photos["path"].iloc[0]).read_bytes() == JPEG
    assert sum(server.asked.values()) == 1


# Two runs at once

SECOND = """
import sys, warnings
import pandas as pd
warnings.simplefilter("ignore")
from lucas_habitat import download_photos, download_table
base, table, folder = sys.argv[1:]
if table.endswith(".parquet"):
    download_photos(pd.read_parquet(table), folder, base=base, directions="P", progress=False)
else:
    download_table(f"{base}/tables/lucas.csv", folder, progress=False)
"""


@pytest.mark.parametrize("what", ["photos", "table"])
def test_one_run_at_a_time(tmp_path, server, what):
    """A second process would unlink the journal that the first writes to."""
    table, going_on = points(2), threading.Event()
    paths = [*serve(server, table, "P"), "/tables/lucas.csv"]
    server.files["/tables/lucas.csv"] = TABLE
    held = paths[0] if what == "photos" else paths[2]
    server.faults[held] = [going_on, "ok"]
    table.to_parquet(tmp_path / "points.parquet")
    (tmp_path / "out").mkdir()
    given = tmp_path / ("points.parquet" if what == "photos" else "none")
    first = subprocess.Popen([sys.executable, "-c", SECOND, server.base, given, tmp_path / "out"])

    def fetch():
        if what == "photos":
            return get(table, tmp_path / "out", server, directions="P")
        return download_table(server.base + held, tmp_path / "out", progress=False)

    try:
        while not server.asked[held]:
            assert first.poll() is None
            time.sleep(0.01)
        with pytest.raises(DownloadError, match=r"Another run is fetching .*One run at a time"):
            fetch()
        assert server.asked[held] == 1
    finally:
        going_on.set()
        assert first.wait(300) == 0
    fetch()  # the first has let go, and nothing is fetched again
    assert server.asked[held] == 1
    if what == "photos":
        assert len(pd.read_parquet(tmp_path / "out" / "downloads.parquet")) == 2
    else:
        assert [p.name for p in (tmp_path / "out").iterdir()] == ["lucas.csv"]


# 2,000 photos, a tenth with faults, three kills

CHILD = """
import sys, warnings
import pandas as pd
warnings.simplefilter("ignore")
from lucas_habitat.downloads import server
from lucas_habitat.survey import photos
server._BACKOFF = 0.01
table = pd.read_csv(sys.argv[1], dtype={"point_id": "str"})
photos.download_photos(
    table, sys.argv[2], base=sys.argv[3], per_second=2000, retries=3, progress=False
)
"""


def test_killed_three_times_nothing_is_lost_and_nothing_fetched_twice(tmp_path, server):
    rng = random.Random(6)
    table = points(400, habitat="woody")
    paths = serve(server, table)
    # Each photo its own bytes: what follows the end of a JPEG is ignored.
    server.files = {p: JPEG + p.encode() for p in paths}
    kinds = [["404"]] * 70 + [["tiny"]] * 30 + [["damaged"]] * 20 + [["500", "ok"]] * 20
    kinds += [[BUSY, "ok"]] * 20 + [["halfway", "ok"]] * 20 + [["slow"]] * 10 + [["html"]] * 10
    server.faults = dict(zip(rng.sample(paths, 200), kinds, strict=True))
    table.to_csv(tmp_path / "points.csv", index=False)
    disturbed, calm = tmp_path / "disturbed", tmp_path / "calm"
    command = [sys.executable, "-c", CHILD, tmp_path / "points.csv", disturbed, server.base]
    for low, high in ((50, 500), (600, 1100), (1200, 1800)):
        until = rng.randint(low, high)
        server.going_on.clear()
        server.held_after = until + 100
        child = subprocess.Popen(command)
        while sum(server.asked.values()) < until and child.poll() is None:
            time.sleep(0.001)
        assert child.poll() is None
        child.send_signal(signal.SIGKILL)
        child.wait()
        server.going_on.set()
    server.held_after = None
    subprocess.run(command, check=True)
    expected = {
        p: 1 if server.faults.get(p, "")[-1:] != ["ok"] else len(server.faults[p]) for p in paths
    }
    # A web page in a photo's place may have passed: it is asked for anew in each run.
    html = {p for p, kind in server.faults.items() if kind == ["html"]}
    extra = {p: server.asked[p] - n for p, n in expected.items() if p not in html}
    assert min(extra.values()) == 0
    assert sum(extra.values()) <= 3 * 4  # in flight at a kill, 4 connections

    server.asked.clear()
    get(table, calm, server, retries=3)
    columns = ["photo", "status", "error", "bytes", "sha256", "etag", "last_modified", "url"]
    one, other = (pd.read_parquet(f / "downloads.parquet")[columns] for f in (disturbed, calm))
    assert one.equals(other)
    assert one["status"].value_counts().to_dict() == {
        "ok": 1870, "missing": 70, "too small": 30, "damaged": 20, "not a photo": 10,
    }  # fmt: skip
    for row in one.itertuples():
        place = disturbed / row.photo
        assert place.exists() == (row.status == "ok")
        if row.status == "ok":
            assert place.read_bytes() == server.files[PHOTOS + row.photo]
    assert not list(disturbed.rglob("*.part"))


# The real photos, from the survey's table on


def test_four_real_points_from_table_to_photos(tmp_path, server, shared):
    real = shared / "data" / "lucas"
    for file in (real / "photos").rglob("*.jpg"):
        server.files[PHOTOS + file.relative_to(real / "photos").as_posix()] = file.read_bytes()
    assert len(server.files) == 19
    survey = read_survey(real / "lucas_harmo_uf_sample.csv")
    chosen = select_points(survey, max_distance=None)
    photos = get(chosen, tmp_path, server, directions="PNESWC")
    usable = photos[photos["status"] == "ok"]
    assert len(photos) == 24
    assert len(usable) == 19
    # The table lists five photos of 47282098, the server has one: rows with the reason.
    assert set(photos.loc[photos["status"] != "ok", "point_id"]) == {"47282098"}
    assert set(photos["status"]) == {"ok", "missing"}
    for row in usable.itertuples():
        relative = Path(row.path).relative_to(tmp_path)
        assert Path(row.path).read_bytes() == (real / "photos" / relative).read_bytes()
    by_point = usable.drop_duplicates("point_id").set_index("point_id")["habitat"].to_dict()
    assert by_point == {
        "31603628": "woody", "32362878": "grassland", "38023110": "cropland", "47282098": "cropland",
    }  # fmt: skip


# Tables

TABLE = b"point_id,year,nuts0,lc1\n" + b"31603628,2018,UK,D10\n" * 200_000


@pytest.fixture
def address(server):
    server.files["/tables/lucas.csv"] = TABLE
    return server.base + "/tables/lucas.csv"


def test_a_table_comes_whole(tmp_path, address, server):
    path = download_table(address, tmp_path, progress=False)
    assert path == tmp_path / "lucas.csv"
    assert path.read_bytes() == TABLE
    assert [p.name for p in tmp_path.iterdir()] == ["lucas.csv"]
    with pytest.warns(UserWarning, match="is there already"):
        download_table(address, path)
    assert server.asked["/tables/lucas.csv"] == 1


def test_a_table_goes_on_where_it_broke_off(tmp_path, address, server):
    server.faults["/tables/lucas.csv"] = ["halfway", "ok"]
    path = download_table(address, tmp_path / "new" / "a.csv", progress=False)
    assert path.read_bytes() == TABLE
    assert server.ranges == [f"bytes={len(TABLE) // 2}-"]


def test_a_table_goes_on_in_another_run(tmp_path, address, server):
    server.faults["/tables/lucas.csv"] = ["halfway", "500", "ok"]
    with pytest.raises(DownloadError, match=r"500 .*What came is kept: run again to go on"):
        download_table(address, tmp_path / "a.csv", retries=0, progress=False)
    path = download_table(address, tmp_path / "a.csv", progress=False)
    assert path.read_bytes() == TABLE
    assert len(server.ranges) == 1


def test_a_table_that_changed_is_fetched_anew(tmp_path, address, server):
    server.faults["/tables/lucas.csv"] = ["halfway", "500", "ok"]
    with pytest.raises(DownloadError):
        download_table(address, tmp_path / "a.csv", retries=0, progress=False)
    server.files["/tables/lucas.csv"] = TABLE + b"31603628,2018,UK,E20\n"
    path = download_table(address, tmp_path / "a.csv", progress=False)
    assert path.read_bytes() == TABLE + b"31603628,2018,UK,E20\n"
    assert server.ranges == []


@pytest.mark.parametrize(
    ("out", "fault", "message"),
    [
        ("a.csv", "html", "web page"),
        ("a.zip", "ok", r"no \.zip file; it begins with b'point_id"),
        ("a.parquet", "ok", r"no \.parquet file"),
        ("a.csv", "404", "missing"),
        ("a.csv", "403", "refused"),
        ("a.csv", "empty", r"no \.csv file"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, address, server, out, fault, message):
    server.faults["/tables/lucas.csv"] = [fault]
    with pytest.raises(DownloadError, match=message):
        download_table(address, tmp_path / out, progress=False)
    assert list(tmp_path.iterdir()) == []


def test_tables_have_limits(tmp_path, address, monkeypatch):
    with pytest.raises(InputError, match="A table ends in"):
        download_table(address, tmp_path / "a.xlsx")
    with pytest.raises(DownloadError, match="too large"):
        download_table(address, tmp_path / "a.csv", max_bytes=1000, progress=False)
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(DownloadError, match="has 1,000 left"):
        download_table(address, tmp_path / "a.csv", progress=False)


def test_a_server_that_is_not_there(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(DownloadError, match="unreachable"):
        download_table(f"http://127.0.0.1:{port}/a.csv", tmp_path, retries=1, progress=False)


def test_numpy_numbers_are_numbers(tmp_path, server):
    # R hands whole numbers over as doubles.
    serve(server, points(1))
    table = points(1).assign(year=np.float64(2018))
    assert len(get(table, tmp_path, server, connections=4.0, retries=2.0)) == 5

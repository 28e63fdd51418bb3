"""Photos, tables and shards in S3 and on web servers: the same rows, predictions and statuses as here."""

import copy
import http.server
import io
import itertools
import math
import os
import re
import sys
import tarfile
import threading
import warnings

import boto3
import numpy as np
import pandas as pd
import pytest
from conftest import colour_photo
from moto.server import ThreadedMotoServer

import lucas_habitat as lh
from lucas_habitat.cache import content_key, file_key
from lucas_habitat.corrections import apply_corrections
from lucas_habitat.errors import DependencyError, InputError, LucasWarning, PhotoError
from lucas_habitat.photos import iter_photos
from lucas_habitat.sources import READERS, joined, read_bytes, requests, s3, shown, stamps
from lucas_habitat.trained_photos import content_codes

BUCKET = "fotos"


@pytest.fixture(scope="module", autouse=True)
def short_pauses():
    """Attempts follow one another at once."""
    before, requests.PAUSE = requests.PAUSE, 0.01
    yield
    requests.PAUSE = before


@pytest.fixture(scope="module")
def bucket():
    """S3 on this computer, with one bucket."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    settings = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "a-key-nobody-may-read",
        "AWS_SECRET_ACCESS_KEY": "a-secret-nobody-may-read",
        "AWS_DEFAULT_REGION": "eu-central-1",
    }
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    client = boto3.client("s3")
    client.create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    s3._systems.clear()
    yield client
    s3._systems.clear()
    server.stop()
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves ``files`` by path; ``faults`` befall the first requests of a path."""

    protocol_version = "HTTP/1.1"
    now = most = 0
    #: Answers after so many requests wait for the event, which so many at once set.
    going_on, free, enough = None, 20, math.inf

    def log_message(self, *_):
        pass

    def do_GET(self):
        with self.lock:
            type(self).now += 1
            type(self).most = max(self.most, self.now)
            if self.going_on and self.now >= self.enough:
                self.going_on.set()
            self.asked.append(self.path)
            number = len(self.asked)
            faults = self.faults.get(self.path.partition("?")[0], [])
            fault = faults.pop(0) if faults else None
        try:
            if self.going_on and number > self.free:
                self.going_on.wait(60)
            self.respond(fault)
        finally:
            with self.lock:
                type(self).now -= 1

    def respond(self, fault):
        data = self.files.get(self.path.partition("?")[0])
        if isinstance(fault, int):
            return self.answer(fault, b"no")
        if isinstance(fault, str) and fault.startswith("to "):
            return self.answer(302, b"", location=fault[3:])
        if data is None:
            return self.answer(404, b"no")
        if fault == "cut":
            self.close_connection = True
            return self.answer(200, data, upto=len(data) // 2)
        if fault == "dropped":
            self.close_connection = True
            return self.connection.close()
        if fault == "too long":
            return self.answer(200, data, length=600_000_000, upto=10)
        if fault == "whole":
            return self.answer(200, data)
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if not wanted:
            return self.answer(200, data, etag='"1"')
        first, last = int(wanted[1]), min(int(wanted[2]), len(data) - 1)
        if first >= len(data):
            return self.answer(416, b"", content_range=f"bytes */{len(data)}")
        part = f"bytes {first}-{last}/{len(data)}"
        return self.answer(206, data[first : last + 1], content_range=part, etag='"1"')

    def answer(self, code, data, length=None, upto=None, **headers):
        self.send_response(code)
        self.send_header("Content-Length", str(len(data) if length is None else length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if upto is not None:
            self.close_connection = True
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data[:upto])


@pytest.fixture
def web():
    """A web server on this computer."""
    handler = type(
        "Serving", (Handler,), {"files": {}, "faults": {}, "asked": [], "lock": threading.Lock()}
    )

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, *_):
            pass  # connections are cut on purpose

    server = Server(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    handler.base = f"http://127.0.0.1:{server.server_port}"
    yield handler
    server.shutdown()
    server.server_close()


def jpeg(habitat="woody", seed=1):
    data = io.BytesIO()
    colour_photo(habitat, seed).save(data, "JPEG", quality=90)
    return data.getvalue()


@pytest.fixture(scope="module")
def files():
    """Photos by the end of their path: good ones, and one of each kind that is none."""
    photos = {
        f"{habitat}/{43003600 + i}_{direction}_2018.jpg": jpeg(habitat, 10 * i + d)
        for i, habitat in enumerate(("woody", "cropland", "grassland", "artificial"))
        for d, direction in enumerate(("north", "east", "south"))
    }
    whole = photos["woody/43003600_north_2018.jpg"]
    photos["woody/cut.jpg"] = whole[: len(whole) // 2]
    photos["woody/empty.jpg"] = b""
    photos["woody/text.jpg"] = b"no photo at all"
    return dict(sorted(photos.items()))


@pytest.fixture
def places(files, bucket, web, tmp_path):
    """The same photos in every kind of place, by its name: a list of paths with one that is missing."""
    names = [*files, "woody/gone.jpg"]
    for name, data in files.items():
        (tmp_path / "folder" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "folder" / name).write_bytes(data)
        bucket.put_object(Bucket=BUCKET, Key=f"archive/{name}", Body=data)
        web.files[f"/archive/{name}"] = data
    shard = io.BytesIO()
    with tarfile.open(fileobj=shard, mode="w") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    (tmp_path / "a.tar").write_bytes(shard.getvalue())
    bucket.put_object(Bucket=BUCKET, Key="shards/a.tar", Body=shard.getvalue())
    web.files["/shards/a.tar"] = shard.getvalue()
    return {
        place: [f"{start}{name}" for name in names]
        for place, start in {
            "folder": f"{tmp_path}/folder/",
            "shard": f"{tmp_path}/a.tar::",
            "s3": f"s3://{BUCKET}/archive/",
            "web": f"{web.base}/archive/",
            "shard in s3": f"s3://{BUCKET}/shards/a.tar::",
            "shard on the web": f"{web.base}/shards/a.tar::",
        }.items()
    }


def test_photos_are_classified_alike_wherever_they_lie(places, model):
    tables = {
        place: lh.classify(
            pd.DataFrame({"path": paths}), model, cache=False, precision="float32", progress=False
        )
        for place, paths in places.items()
    }
    folder = tables.pop("folder")
    assert folder["status"].value_counts().to_dict() == {
        "ok": 12,
        "damaged": 1,
        "empty": 1,
        "not a photo": 1,
        "missing": 1,
    }
    # The last row's error names the place.
    assert folder["status"].iloc[-1] == "missing"
    for table in tables.values():
        pd.testing.assert_frame_equal(
            table.drop(columns=["path", "error"]),
            folder.drop(columns=["path", "error"]),
            check_exact=True,
        )
        assert list(table["error"][:-1]) == list(folder["error"][:-1])
        assert "gone.jpg" in table["error"].iloc[-1]


def test_photos_are_sorted_and_corrected_alike_wherever_they_lie(places, tmp_path):
    sorted_as = {}
    for place, paths in places.items():
        photos = lh.list_photos(pd.DataFrame({"path": paths}))
        predictions = photos.assign(predicted="cropland", confidence=0.9)
        folder = tmp_path / "sorted" / place
        table = lh.sort_photos(predictions, folder, progress=False)
        sorted_as[place] = table[["file", "status"]]
        (folder / table["file"][0]).rename(folder / "_unsure" / "kept.jpg")
        assert not len(lh.read_sorted(folder).corrections)
        (folder / "woody").mkdir()
        (folder / "_unsure" / "kept.jpg").rename(folder / "woody" / "kept.jpg")
        corrections = lh.read_sorted(folder, new_classes=True).corrections
        assert corrections["path"].tolist() == paths[:1]
        corrected, counts = apply_corrections(photos.assign(habitat="cropland"), corrections)
        assert counts == {
            "replaced": 1, "confirmed": 0, "added": 0, "left_out": 0, "unedited": 0,
        }  # fmt: skip
        assert corrected["habitat"].tolist() == ["woody"] + ["cropland"] * (len(paths) - 1)
    folder = sorted_as.pop("folder")
    # What is no photo is put somewhere too: nobody decodes it here.
    assert folder["status"].value_counts().to_dict() == {"sorted": 14, "refused": 2}
    for table in sorted_as.values():
        pd.testing.assert_frame_equal(table, folder)


def test_training_photos_are_known_wherever_they_lie(places, model, files, tmp_path):
    known = tmp_path / "known.jpg"
    known.write_bytes(files["woody/43003600_north_2018.jpg"])
    photos = lh.list_photos([str(known)]).assign(habitat="woody")
    trained = copy.copy(model)
    trained.training_photos = pd.DataFrame(
        {
            "point_id": ["1"],
            "content": content_codes([str(known)], [content_key(known.read_bytes())]),
        }
    )
    assert lh.in_training(photos, trained, progress=False)["in_training"].tolist() == ["photo"]
    for paths in places.values():
        with pytest.warns(LucasWarning, match="2 of 16 photos could not be read"):
            found = lh.in_training(pd.DataFrame({"path": paths}), trained, progress=False)
        is_photo = found["in_training"] == "photo"
        assert is_photo.tolist() == [path.endswith("43003600_north_2018.jpg") for path in paths]
        assert (found["in_training"] == "unread").sum() == 2


def test_folders_and_shards_are_listed_alike_wherever_they_lie(places, tmp_path, web):
    sources = {
        "folder": tmp_path / "folder",
        "shard": tmp_path / "a.tar",
        "s3": f"s3://{BUCKET}/archive",
        "shard in s3": f"s3://{BUCKET}/shards/a.tar",
        "shard on the web": f"{web.base}/shards/a.tar",
    }
    tables = {place: lh.list_photos(source) for place, source in sources.items()}
    folder = tables["folder"]
    assert folder["habitat"].nunique() == 4
    for place, table in tables.items():
        assert list(table["path"]) == places[place][:-1]
        pd.testing.assert_frame_equal(table.drop(columns="path"), folder.drop(columns="path"))
    for address in (f"s3://{BUCKET}/archive/", f"s3://{BUCKET}/arch*/*/*.jpg"):
        assert list(lh.list_photos(address)["path"]) == places["s3"][:-1]
    assert list(lh.list_photos(f"s3://{BUCKET}/sh*/*.tar")["path"]) == places["shard in s3"][:-1]
    one = places["s3"][0]
    assert list(lh.list_photos(one)["path"]) == [one]


def test_a_bucket_is_listed_as_a_stream(bucket):
    for i in range(1203):
        bucket.put_object(Bucket=BUCKET, Key=f"many/{i:05d}.jpg", Body=b"x")
    bucket.put_object(Bucket=BUCKET, Key="many/.hidden/x.jpg", Body=b"x")
    bucket.put_object(Bucket=BUCKET, Key="many/notes.txt", Body=b"x")
    blocks = list(iter_photos(f"s3://{BUCKET}/many/", rows=500))
    assert [len(block) for block in blocks] == [500, 500, 203]
    assert len(lh.list_photos(f"s3://{BUCKET}/many/0100*.jpg")) == 10
    first = next(iter_photos(f"s3://{BUCKET}/many/", rows=3))["path"]
    assert list(first) == [f"s3://{BUCKET}/many/{i:05d}.jpg" for i in range(3)]


def test_a_bucket_that_cannot_be_listed_is_said(bucket):
    with pytest.raises(InputError, match="There is no photo in s3://fotos/nothing"):
        lh.list_photos(f"s3://{BUCKET}/nothing/")
    with pytest.raises(InputError, match="s3://no-such-bucket/x/ cannot be listed"):
        lh.list_photos("s3://no-such-bucket/x/")
    with pytest.raises(InputError, match="bucket must be named in full"):
        lh.list_photos("s3://fo*/x.jpg")
    with pytest.raises(InputError, match="cannot be listed"):
        lh.list_photos("https://localhost/photos/")


# Tables


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_remote_tables_paths_are_relative_to_its_place(ending, places, bucket, web, tmp_path):
    names = ["woody/43003600_north_2018.jpg", "a b ø 100%.jpg", "woody\\43003600_east_2018.jpg"]
    table = pd.DataFrame({"path": [*names, "s3://other/x.jpg", "https://other.org/y.jpg?a=b"]})
    file = tmp_path / f"t.{ending}"
    table.to_csv(file, index=False) if ending == "csv" else table.to_parquet(file)
    bucket.put_object(Bucket=BUCKET, Key=f"archive/t.{ending}", Body=file.read_bytes())
    web.files[f"/archive/t.{ending}"] = file.read_bytes()
    away = ["s3://other/x.jpg", "https://other.org/y.jpg?a=b"]
    start = f"s3://{BUCKET}/archive/"
    for listed in (
        lh.list_photos(f"{start}t.{ending}"),
        next(iter_photos(f"{start}t.{ending}", rows=9)),
        lh.list_photos(file, root=start),
    ):
        assert list(listed["path"]) == [
            f"{start}woody/43003600_north_2018.jpg",
            f"{start}a b ø 100%.jpg",
            f"{start}woody/43003600_east_2018.jpg",
            *away,
        ]
        assert listed["point_id"].tolist()[0] == "43003600"
    on_web = lh.list_photos(f"{web.base}/archive/t.{ending}?token=secret")
    assert list(on_web["path"]) == [
        f"{web.base}/archive/woody/43003600_north_2018.jpg",
        f"{web.base}/archive/a%20b%20%C3%B8%20100%25.jpg",
        f"{web.base}/archive/woody/43003600_east_2018.jpg",
        *away,
    ]
    assert on_web["direction"].tolist()[:3] == ["N", None, "E"] or on_web["direction"].isna()[1]


@pytest.mark.parametrize(
    "path",
    [
        "../x.jpg",
        "a/../../x.jpg",
        "%2e%2e/x.jpg",
        "a/%2E%2e/x.jpg",
        "..%2fx.jpg",
        "%252e%252e/x.jpg",
        "..\\x.jpg",
        "..%5cx.jpg",
        "/etc/passwd",
        "\\x.jpg",
        "../a.tar::x.jpg",
    ],
)
@pytest.mark.parametrize("folder", ["s3://bucket/a", "https://example.org/a/"])
def test_a_relative_path_never_leaves_its_tables_folder(path, folder):
    with pytest.raises(InputError, match="leaves the folder of its table"):
        joined(folder, path)
    with pytest.raises(InputError, match="leaves the folder of its table"):
        lh.list_photos(pd.DataFrame({"path": [path]}), root=folder)


def test_a_table_that_cannot_be_fetched_is_said_without_its_token(web):
    with pytest.raises(InputError) as caught:
        lh.list_photos(f"{web.base}/gone.csv?token=secret")
    assert "The table cannot be read: http" in str(caught.value)
    assert "secret" not in str(caught.value)


# Faults


def fault_of(address):
    with pytest.raises(PhotoError) as caught:
        read_bytes(address)
    return caught.value.status, str(caught.value)


@pytest.mark.parametrize(
    "faults",
    [[500], [503, 429, 502], ["cut"], ["dropped", "cut", 500], ["to /b.jpg"]],
    ids=str,
)
def test_what_may_pass_is_tried_again(web, faults):
    web.files |= {"/a.jpg": jpeg(), "/b.jpg": jpeg()}
    web.faults["/a.jpg"] = list(faults)
    assert read_bytes(f"{web.base}/a.jpg") == jpeg()
    assert len(web.asked) == len(faults) + 1


@pytest.mark.parametrize(
    ("faults", "status", "text", "n"),
    [
        ([404], "missing", "answered 404", 1),
        ([410], "missing", "answered 410", 1),
        ([403], "unreadable", "answered 403", 1),
        ([500] * 9, "unreadable", "answered 500 .*at the last of 4 tries", 4),
        (["cut"] * 9, "unreadable", "at the last of 4 tries", 4),
        (["dropped"] * 9, "unreadable", "at the last of 4 tries", 4),
        (["too long"], "too large", "600,000,000 bytes", 1),
        (["to /a.jpg"] * 9, "unreadable", "points on and on", 5),
        (["to http://example.org/x.jpg"], "unreadable", "must be https", 1),
        (["to ftp://example.org/x.jpg"], "unreadable", "not ftp://", 1),
    ],
    ids=str,
)
def test_what_will_not_pass_is_a_reason(web, faults, status, text, n):
    web.files["/a.jpg"] = jpeg()
    web.faults["/a.jpg"] = faults
    got, message = fault_of(f"{web.base}/a.jpg?token=secret")
    assert got == status
    assert re.search(text, message)
    assert "secret" not in message
    assert len(web.asked) == n


def test_a_web_server_without_parts_of_files_has_no_shards(web, places):
    web.faults["/shards/a.tar"] = ["whole"] * 99
    assert fault_of(places["shard on the web"][0])[1].endswith("gives no parts of files")
    with (
        pytest.warns(LucasWarning, match="1 of 1 shards could not be read"),
        pytest.raises(InputError, match="no photo in"),
    ):
        lh.list_photos(f"{web.base}/shards/a.tar")


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("http://example.org/x.jpg", "must be https"),
        ("ftp://example.org/x.jpg", "not ftp://"),
        ("file:///etc/passwd", "not file://"),
        ("https://user:secret@example.org/x.jpg", "has a user or password"),
        ("https:///x.jpg", "names no server"),
        ("s3:///x.jpg", "names no bucket"),
        ("https://[::1/x.jpg", "is no address"),
        ("https://example.org:99999/x.jpg", "is no address"),
    ],
)
def test_addresses_that_are_not_asked(address, text):
    status, message = fault_of(address)
    assert status == "unreadable"
    assert text in message
    assert "secret" not in message


def test_nobody_answers():
    status, message = fault_of("http://127.0.0.1:9/x.jpg?token=secret")
    assert (status, "secret" in message) == ("unreadable", False)


class Faulty:
    """S3 whose first answers are faults."""

    def __init__(self, monkeypatch, faults):
        self.n, system = 0, s3._system()
        call = system.call_s3
        faults = iter(faults)

        def answered(method, *args, **how):
            self.n += 1
            fault = next(faults, None)
            if fault:
                raise fault
            return call(method, *args, **how)

        monkeypatch.setattr(system, "call_s3", answered)


def s3_fault(code, status):
    from botocore.exceptions import ClientError

    answer = {
        "Error": {"Code": code, "Message": code},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    error = OSError(5, code)
    error.__cause__ = ClientError(answer, "GetObject")
    return error


def test_s3_is_asked_again_where_that_may_help(bucket, monkeypatch):
    bucket.put_object(Bucket=BUCKET, Key="a.jpg", Body=jpeg())
    faults = [s3_fault("SlowDown", 503), s3_fault("InternalError", 500), TimeoutError("too slow")]
    faulty = Faulty(monkeypatch, faults)
    assert read_bytes(f"s3://{BUCKET}/a.jpg") == jpeg()
    assert faulty.n == 4
    faulty = Faulty(monkeypatch, itertools.repeat(s3_fault("SlowDown", 503)))
    assert fault_of(f"s3://{BUCKET}/a.jpg")[0] == "unreadable"
    assert faulty.n == 4
    faulty = Faulty(monkeypatch, [s3_fault("AccessDenied", 403)])
    status, message = fault_of(f"s3://{BUCKET}/a.jpg")
    assert (status, faulty.n) == ("unreadable", 1)
    assert "AccessDenied" in message
    assert "nobody-may-read" not in message


def test_without_s3fs_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setattr(s3, "_systems", {})
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(DependencyError, match=r"lucas-habitat\[remote\]"):
        read_bytes("s3://bucket/x.jpg")
    with pytest.raises(DependencyError, match=r"lucas-habitat\[remote\]"):
        lh.list_photos("s3://bucket/x/")


def test_too_large_an_object_is_not_read(bucket, monkeypatch):
    bucket.put_object(Bucket=BUCKET, Key="big.jpg", Body=b"x" * 1000)
    with pytest.raises(PhotoError) as caught:
        read_bytes(f"s3://{BUCKET}/big.jpg", 999)
    assert (caught.value.status, str(caught.value)) == ("too large", "the file has 1,000 bytes")


# Secrets


def test_tokens_are_in_no_message_and_no_status(web, model):
    web.files["/43003600_north_2018.jpg"] = jpeg()
    addresses = [f"{web.base}/{name}.jpg?token=secret" for name in ("43003600_north_2018", "gone")]
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        table = lh.list_photos(addresses)
        predictions = lh.classify(table, model, progress=False)
    assert list(table["point_id"].fillna("")) == ["43003600", ""]
    assert list(predictions["status"]) == ["ok", "missing"]
    assert not any("secret" in text for text in predictions["error"])
    assert not any("secret" in str(one.message) for one in told)
    assert shown("https://a:b@example.org/x.jpg?t=secret#y") == "https://example.org/x.jpg"
    assert shown("https://example.org/a.tar?t=secret::x.jpg") == "https://example.org/a.tar::x.jpg"


# Many at a time


def test_remote_photos_are_fetched_by_more_threads_than_there_are_cores(web, model):
    # Nothing is answered before 16 requests are under way.
    web.going_on, web.free, web.enough = threading.Event(), 0, 16
    names = [f"/{i}.jpg" for i in range(80)]
    web.files |= {name: jpeg(seed=i) for i, name in enumerate(names)}
    table = pd.DataFrame({"path": [web.base + name for name in names]})
    predictions = lh.classify(table, model, batch_size=4, progress=False)
    assert (predictions["status"] == "ok").all()
    assert web.going_on.is_set()
    assert web.most <= READERS


def test_photos_too_large_to_wait_in_memory_are_fetched_in_their_turn(web, model, monkeypatch):
    monkeypatch.setattr("lucas_habitat.sources.ahead._MOST_BYTES", 100)
    web.files |= {f"/{i}.jpg": jpeg(seed=i) for i in range(9)}
    paths = [f"{web.base}/{i}.jpg" for i in range(9)]
    assert (lh.classify(paths, model, cache=False, progress=False)["status"] == "ok").all()


def test_an_interrupted_run_waits_for_no_fetch(web, model):
    web.files |= {f"/{i}.jpg": jpeg(seed=i) for i in range(300)}

    # Enough is answered for the first photos; all other fetches wait.
    web.going_on = threading.Event()

    def stop(done, total, what):
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lh.classify([f"{web.base}/{i}.jpg" for i in range(300)], model, cache=False, progress=stop)
    assert web.now > 0  # fetches are under way that nobody waits for
    assert len(web.asked) < 300
    web.going_on.set()


# What is remembered


def test_stamps_tell_whether_a_remote_photo_changed(places, bucket, files):
    paths = {place: given[0] for place, given in places.items()}
    before = stamps(list(paths.values()))
    assert all(before)
    assert stamps([places["s3"][-1], places["web"][-1], places["shard in s3"][-1]]) == [None] * 3
    assert before[list(paths).index("s3")].startswith(f"{len(files[next(iter(files))])}-")
    bucket.put_object(
        Bucket=BUCKET, Key=paths["s3"].removeprefix(f"s3://{BUCKET}/"), Body=jpeg(seed=9)
    )
    lh.list_photos(f"s3://{BUCKET}/archive/")
    after = stamps(list(paths.values()))
    changed = [
        place for place, one, other in zip(paths, before, after, strict=True) if one != other
    ]
    assert changed == ["s3"]


def test_features_of_remote_photos_are_cached(places, model, bucket, web):
    table = lh.list_photos(f"s3://{BUCKET}/archive/")
    first = lh.classify(table, model, progress=False)
    assert file_key(table["path"][0])
    asked = []
    system = s3._system()
    call = system.call_s3
    system.call_s3 = lambda *given, **how: asked.append(how["Key"]) or call(*given, **how)
    try:
        again = lh.classify(table, model, progress=False)
    finally:
        del system.call_s3
    pd.testing.assert_frame_equal(first, again, check_exact=True)
    # Only those that could not be read are asked for again.
    assert sorted(asked) == [
        "archive/woody/cut.jpg",
        "archive/woody/empty.jpg",
        "archive/woody/text.jpg",
    ]
    assert file_key(places["web"][0]) is None
    on_web = lh.classify(places["web"][:-1], model, progress=False)
    assert np.array_equal(on_web.filter(like="p_"), first.filter(like="p_"), equal_nan=True)


def test_a_run_of_remote_photos_goes_on(places, model, bucket, tmp_path):
    source = f"s3://{BUCKET}/archive/"
    run = lh.classify(source, model, out=tmp_path / "run", progress=False)
    assert run.statuses["ok"] == 12
    bucket.put_object(Bucket=BUCKET, Key="archive/woody/new.jpg", Body=jpeg(seed=77))
    run = lh.classify(source, model, out=tmp_path / "run", progress=False)
    assert run.statuses["ok"] == 13
    bucket.delete_object(Bucket=BUCKET, Key="archive/woody/new.jpg")

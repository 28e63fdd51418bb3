"""Models at addresses and in zips: fetched once, checked, kept; and what is refused."""

import hashlib
import io
import json
import stat
import struct
import threading
import warnings
import zipfile

import pytest
from model_server import COMMIT, ModelServer, zip_folder

from lucas_habitat import classify, load_model, save_model
from lucas_habitat._base.model_files import MODEL_FILES
from lucas_habitat.cache import cache_folder, clear_cache
from lucas_habitat.cli import main
from lucas_habitat.downloads import server as downloads_server
from lucas_habitat.errors import DownloadError, InputError, LucasMessage, ModelError
from lucas_habitat.model_sources import kept, offers, unpacking
from lucas_habitat.model_sources.addresses import model_address


@pytest.fixture(autouse=True)
def quick(monkeypatch, tmp_path):
    """No long pauses between attempts, and a cache of the test's own."""
    monkeypatch.setattr(downloads_server, "_BACKOFF", 0.01)
    monkeypatch.setenv("LUCAS_HABITAT_CACHE", str(tmp_path / "cache"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LucasMessage)
        yield


@pytest.fixture
def server(monkeypatch):
    running = ModelServer()
    monkeypatch.setenv(offers.ZENODO, running.base)
    monkeypatch.setenv(offers.HUB, running.base)
    yield running
    running.stop()


@pytest.fixture
def other_server():
    running = ModelServer()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    return save_model(model, tmp_path_factory.mktemp("saved") / "model")


@pytest.fixture(scope="module")
def zipped(folder, tmp_path_factory):
    path = tmp_path_factory.mktemp("zip") / "dk.zip"
    zip_folder(folder, path)
    return path


@pytest.fixture
def data(zipped):
    return zipped.read_bytes()


def files_of(folder):
    return {name: (folder / name).read_bytes() for name in MODEL_FILES}


def load(address, **options):
    return load_model(address, progress=False, **options)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def left():
    """The files that the cache holds of models, without the locks."""
    place = cache_folder() / "models"
    return sorted(p.name for p in place.rglob("*") if p.is_file() and p.name != ".lock")


WHOLE = sorted([*MODEL_FILES, "source.json"])


# Addresses


@pytest.mark.parametrize(
    ("text", "kind", "name", "part"),
    [
        ("https://example.org/a/dk.zip", "zip", "https://example.org/a/dk.zip", None),
        ("https://example.org/get?f=1", "zip", "https://example.org/get?f=1", None),
        ("http://localhost:8000/dk.zip", "zip", "http://localhost:8000/dk.zip", None),
        ("doi:10.5281/zenodo.1234", "zenodo", "1234", None),
        ("DOI:10.5281/ZENODO.1234/dk.zip", "zenodo", "1234", "dk.zip"),
        ("https://doi.org/10.5281/zenodo.1234", "zenodo", "1234", None),
        ("https://zenodo.org/records/1234", "zenodo", "1234", None),
        ("https://zenodo.org/record/1234/", "zenodo", "1234", None),
        (
            "https://zenodo.org/records/1/files/dk.zip?download=1",
            "zip",
            "https://zenodo.org/records/1/files/dk.zip?download=1",
            None,
        ),
        ("https://huggingface.co/lab/dk-model", "hub", "lab/dk-model", None),
        ("https://huggingface.co/lab/dk/tree/v1.0", "hub", "lab/dk", "v1.0"),
        (
            "https://huggingface.co/lab/dk/resolve/main/dk.zip",
            "zip",
            "https://huggingface.co/lab/dk/resolve/main/dk.zip",
            None,
        ),
        ("hf://lab/dk-model", "hub", "lab/dk-model", None),
        ("hf://lab/dk.model@v1.0", "hub", "lab/dk.model", "v1.0"),
        ("hf://lab/dk_model@refs/pr/3", "hub", "lab/dk_model", "refs/pr/3"),
    ],
)
def test_an_address_is_taken_apart(text, kind, name, part):
    assert model_address(text) == (kind, name, part, None)
    pin = "AB" * 32
    assert model_address(f"{text}#sha256={pin}") == (kind, name, part, pin.lower())
    assert model_address(text, pin) == (kind, name, part, pin.lower())


@pytest.mark.parametrize("text", ["model", "dk/model", "C:/model", r"C:\model", "~/model", "a:b"])
def test_a_path_is_no_address(text):
    assert model_address(text) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("http://example.org/dk.zip", "must be an https address"),
        ("https://me:secret@example.org/dk.zip", "without user"),
        ("ftp://example.org/dk.zip", "The address of a model is https"),
        ("s3://bucket/dk.zip", "The address of a model is https"),
        ("file:///etc/passwd", "The address of a model is https"),
        ("doi:10.1038/s41597-020-00675-z", "Of DOIs only Zenodo's"),
        ("doi:10.5281/zenodo.", "Of DOIs only Zenodo's"),
        ("doi:10.5281/zenodo.1/../2.zip", "Of DOIs only Zenodo's"),
        ("doi:10.5281/zenodo.1/dk.exe", "Of DOIs only Zenodo's"),
        ("hf://lab", "A repository of the hub is"),
        ("hf://lab/a/b", "A repository of the hub is"),
        ("hf://lab/../x", "A repository of the hub is"),
        ("hf://lab/dk@../../x", "A repository of the hub is"),
        ("hf://lab/dk?x=1", "A repository of the hub is"),
        ("https://example.org/dk.zip#sha256=12", "64 hexadecimal digits"),
        ("https://example.org/dk.zip#top", "or fragment"),
    ],
)
def test_what_is_no_address_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        load(text)
    assert left() == []


def test_odd_places_and_checksums():
    with pytest.raises(InputError, match="name different checksums"):
        load(f"https://example.org/dk.zip#sha256={'a' * 64}", sha256="b" * 64)
    with pytest.raises(InputError, match="sha256 must be text"):
        load("https://example.org/dk.zip", sha256=5)
    for odd in (None, 5, ["model"]):
        with pytest.raises(InputError, match="folder must be a path; got"):
            load(odd)
    with pytest.raises(InputError, match="is the checksum of a zip"):
        load("no/such/folder", sha256="b" * 64)


# A zip on this computer


@pytest.mark.parametrize("under", ["", "dk model/"])
def test_a_zip_is_a_model(folder, model, tmp_path, under):
    zip_folder(folder, tmp_path / "dk.zip", under)
    assert load(tmp_path / "dk.zip").card() == model.card()
    assert left() == []


def test_a_zip_has_a_checksum(zipped, data, model):
    assert load(zipped, sha256=sha256(data)).classes == model.classes
    assert load(f"{zipped}#sha256={sha256(data)}").classes == model.classes
    with pytest.raises(ModelError, match=rf"its sha256 is {sha256(data)}, not {'0' * 64}"):
        load(zipped, sha256="0" * 64)


# A zip on a server


def test_a_model_is_fetched_once_and_kept(server, data, model):
    address = server.put("/a/dk.zip", data)
    with pytest.warns(
        LucasMessage, match=r"/a/dk\.zip was fetched and is kept in .*neither authors"
    ):
        first = load(address)
    assert first.card() == model.card()
    assert left() == WHOLE
    server.stop()  # and it works without the network
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it was told once
        assert load(address).card() == model.card()
    assert server.asked["/a/dk.zip"] == 1


def test_clearing_the_cache_lets_go_of_models(server, data):
    address = server.put("/dk.zip", data)
    load(address)
    assert clear_cache() > 0
    assert left() == []
    load(address)
    assert server.asked["/dk.zip"] == 2


def test_every_function_and_command_takes_an_address(server, data, photo_folder, tmp_path, capsys):
    address = server.put("/dk.zip", data)
    photos = sorted(photo_folder.rglob("*.jpg"))[:2]
    assert len(classify([str(p) for p in photos], address, progress=False)) == 2
    out = tmp_path / "predictions.csv"
    pinned = f"{address}#sha256={sha256(data)}"
    assert main(["classify", str(photos[0]), "--model", pinned, "--out", str(out)]) == 0
    assert "1 rows written" in capsys.readouterr().out
    assert server.asked["/dk.zip"] == 1
    wrong = f"{address}#sha256={'0' * 64}"
    assert main(["classify", str(photos[0]), "--model", wrong, "--out", str(out)]) == 1
    assert "model.zip is not what the checksum given says" in capsys.readouterr().err


def test_a_model_goes_on_where_it_broke_off(server, data):
    address = server.put("/dk.zip", data)
    server.faults["/dk.zip"] = ["halfway", "ok"]
    load(address)
    assert server.ranges == [f"bytes={len(data) // 2}-"]
    assert left() == WHOLE


def test_a_model_goes_on_in_another_run(server, data):
    address = server.put("/dk.zip", data)
    server.faults["/dk.zip"] = ["halfway", "404", "ok"]
    with pytest.raises(DownloadError, match=r"404.*What came is kept: run again to go on"):
        load(address)
    load(address)
    assert server.ranges == [f"bytes={len(data) // 2}-"]


def test_a_busy_server_is_waited_for(server, data):
    address = server.put("/dk.zip", data)
    busy = {"code": 429, "headers": {"Retry-After": "0"}}
    server.faults["/dk.zip"] = [busy, "500", {"code": 503}, "ok"]
    load(address)
    assert server.asked["/dk.zip"] == 4


@pytest.mark.parametrize(
    ("fault", "times", "message"),
    [
        ("404", 1, r"missing.*404"),
        ("403", 1, r"refused.*403"),
        ("500", 5, r"server error.*500"),
        ({"code": 429, "headers": {"Retry-After": "3600"}}, 1, "come back in 3,600 seconds"),
        ("html", 1, "not a model.*web page"),
        ("lying html", 1, r"no zip; it begins with b'<!DOCTYPE html"),
        ("empty", 1, "no zip; it begins with b''"),
        ("too short", 1, "is no zip of a model, or is damaged"),
    ],
)
def test_what_a_server_may_do(server, data, fault, times, message):
    address = server.put("/dk.zip", data)
    server.faults["/dk.zip"] = [fault]
    with pytest.raises((DownloadError, ModelError), match=message):
        load(address)
    assert server.asked["/dk.zip"] == times
    assert left() == []


def test_another_file_than_the_checksum_says(server, data):
    address = server.put("/dk.zip", data)
    with pytest.raises(DownloadError, match=rf"its sha256 is {sha256(data)}, not {'1' * 64}"):
        load(address, sha256="1" * 64)
    assert left() == []
    load(address, sha256=sha256(data).upper())
    assert left() == WHOLE


def test_a_checksum_that_what_is_kept_does_not_have_is_fetched(
    server, data, folder, tmp_path, model
):
    address = server.put("/dk.zip", data)
    load(address)
    newer = zip_folder(folder, tmp_path / "newer.zip", "newer/")
    server.put("/dk.zip", newer)
    load(address)  # what is kept is not asked for again
    assert server.asked["/dk.zip"] == 1
    assert load(address, sha256=sha256(newer)).classes == model.classes
    assert server.asked["/dk.zip"] == 2
    with pytest.raises(DownloadError):
        load(address, sha256=sha256(data))
    assert load(address, sha256=sha256(newer)).classes == model.classes  # still there
    assert server.asked["/dk.zip"] == 3


def test_a_server_may_point_to_another_by_https_only(server, other_server, data):
    there = other_server.put("/elsewhere/dk.zip?signed=1", data)
    address = server.put("/dk.zip", b"")
    server.faults["/dk.zip"] = [{"code": 302, "headers": {"Location": there}}]
    load(address)
    for i, wrong in enumerate(
        ("http://example.org/dk.zip", "ftp://example.org/", "file:///etc/passwd")
    ):
        path = f"/{i}.zip"
        server.put(path, b"")
        server.faults[path] = [{"code": 302, "headers": {"Location": wrong}}]
        with pytest.raises(DownloadError, match="redirected"):
            load(server.base + path)


def test_no_server_elsewhere_points_to_this_computer():
    assert not downloads_server.may_lead("https://example.org/", "http://127.0.0.1:8000/dk.zip")
    assert not downloads_server.may_lead("https://example.org/", "https://localhost/dk.zip")
    assert not downloads_server.may_lead("https://example.org/", "https://me:x@example.com/dk.zip")
    assert downloads_server.may_lead("https://example.org/", "https://cdn.example.com/dk.zip?s=1")


def test_a_model_that_is_too_large_is_not_fetched(server, data, monkeypatch):
    address = server.put("/dk.zip", data)
    monkeypatch.setattr(kept, "MOST_MODEL", 1000)
    with pytest.raises(DownloadError, match="too large"):
        load(address)
    with pytest.raises(ModelError, match="at most 1,000 are fetched as a model"):
        load(server.put_record(7, {"dk.zip": data}))
    assert server.asked["/api/records/7/files/dk.zip/content"] == 0


def test_a_damaged_model_is_not_kept(server, folder, tmp_path):
    changed = tmp_path / "changed"
    changed.mkdir()
    for name, content in files_of(folder).items():
        (changed / name).write_bytes(content + b" " if name == "history.csv" else content)
    address = server.put("/dk.zip", zip_folder(changed, tmp_path / "dk.zip"))
    with pytest.raises(ModelError, match=r"was removed from the cache: .*history\.csv is not what"):
        load(address)
    assert left() == []


def test_what_another_process_fetches_is_waited_for(server, data, model):
    address, going_on = server.put("/dk.zip", data), threading.Event()
    server.faults["/dk.zip"] = [going_on]
    models = []
    threads = [threading.Thread(target=lambda: models.append(load(address))) for _ in range(2)]
    for thread in threads:
        thread.start()
    going_on.set()
    for thread in threads:
        thread.join()
    assert [m.classes for m in models] == [model.classes] * 2
    assert server.asked["/dk.zip"] == 1


# Zenodo


def test_a_record_is_a_model(server, data, model):
    doi = server.put_record(
        1234, {"dk.zip": data, "dk.zip.sha256": b"...", "README.md": b"# A model"}
    )
    with pytest.warns(LucasMessage, match=r"doi:10\.5281/zenodo\.1234 \(10\.5281/zenodo\.1234\)"):
        assert load(doi).card() == model.card()
    server.stop()
    assert load(doi).card() == model.card()
    assert load("https://doi.org/10.5281/zenodo.1234").card() == model.card()


def test_a_doi_of_all_versions_leads_to_the_latest(server, data):
    server.put_record(1235, {"dk.zip": data})
    server.faults["/api/records/1234"] = [
        {"code": 302, "headers": {"Location": "/api/records/1235"}}
    ]
    server.put("/api/records/1234", b"")
    with pytest.warns(LucasMessage, match=r"zenodo\.1234 \(10\.5281/zenodo\.1235\)"):
        load("doi:10.5281/zenodo.1234")


def test_a_record_may_hold_a_folder_or_several_zips(server, folder, data, model):
    assert load(server.put_record(1, files_of(folder))).card() == model.card()
    two = server.put_record(2, {"dk.zip": data, "se.zip": b"PK"})
    with pytest.raises(ModelError, match=r"several zips: dk\.zip, se\.zip.*zenodo\.2/dk\.zip"):
        load(two)
    assert load(f"{two}/dk.zip").card() == model.card()
    assert load(f"{two}/dk.zip", sha256=sha256(data)).card() == model.card()
    with pytest.raises(ModelError, match=r"holds no model: it has dk\.zip, se\.zip"):
        load(f"{two}/no.zip")
    with pytest.raises(ModelError, match=r"holds no model: it has paper\.pdf"):
        load(server.put_record(3, {"paper.pdf": b"%PDF"}))


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"<html>", "something else than JSON"),
        (b"[]", "in a form that is not read here"),
        (b"{}", "'id' is missing"),
        (b'{"id": 5}', "'files' is missing"),
        (b'{"id": 5, "files": [{"key": 1}]}', "is missing"),
        (b'{"id": "../x", "files": []}', "the id is no number"),
        (b"[" * 100_000, "something else than JSON"),
    ],
)
def test_an_answer_in_another_form(server, answer, message):
    server.put("/api/records/5", answer)
    with pytest.raises(DownloadError, match=message):
        load("doi:10.5281/zenodo.5")
    assert left() == []


def test_a_record_that_points_elsewhere_is_refused(server, data):
    doi = server.put_record(5, {"dk.zip": data})
    record = json.loads(server.files["/api/records/5"])
    record["files"][0]["links"]["self"] = "http://example.org/dk.zip"
    server.put("/api/records/5", json.dumps(record).encode())
    with pytest.raises(DownloadError, match="it points to http://example"):
        load(doi)


def test_a_record_whose_file_is_another(server, data, folder, tmp_path):
    doi = server.put_record(5, {"dk.zip": data})
    server.files["/api/records/5/files/dk.zip/content"] = data[:-1] + b"x"
    with pytest.raises(DownloadError, match=r"is not what the service says: its md5"):
        load(doi)
    server.files["/api/records/5/files/dk.zip/content"] = data + b"x"
    with pytest.raises(DownloadError, match=rf"{len(data) + 1:,} bytes instead of {len(data):,}"):
        load(doi)
    assert left() == []


# Hugging Face's hub


def test_a_repository_is_a_model(server, other_server, folder, model):
    files = files_of(folder) | {"README.md": b"# DK", ".gitattributes": b"*", "run.py": b"evil()"}
    address = server.put_repository("lab/dk", files, elsewhere=other_server)
    with pytest.warns(LucasMessage, match=rf"hf://lab/dk \({COMMIT}\) was fetched"):
        assert load(address).card() == model.card()
    assert left() == WHOLE
    assert not [path for path in server.asked if path.endswith((".md", ".py", ".gitattributes"))]
    server.stop()
    other_server.stop()
    assert load(address).card() == model.card()


def test_the_commit_of_a_branch_is_kept(server, folder, model):
    address = server.put_repository("lab/dk", files_of(folder), revision="v1")
    load(address)
    server.put_repository("lab/dk", {"README.md": b"gone"}, commit="9" * 40, revision="v1")
    assert load(address).card() == model.card()
    with pytest.raises(DownloadError, match="404"):
        load("hf://lab/dk@v2")


def test_a_repository_goes_on_where_it_broke_off(server, folder, model):
    address = server.put_repository("lab/dk", files_of(folder))
    path = f"/lab/dk/resolve/{COMMIT}/model.safetensors"
    server.faults[path] = ["halfway", "404", "ok"]
    with pytest.raises(DownloadError, match="404"):
        load(address)
    assert load(address).card() == model.card()
    assert server.asked[f"/lab/dk/resolve/{COMMIT}/card.json"] == 1
    assert len(server.ranges) == 1
    assert left() == WHOLE


@pytest.mark.parametrize(
    ("name", "kind"), [("card.json", "git blob"), ("model.safetensors", "sha256")]
)
def test_a_repository_whose_file_is_another(server, folder, name, kind):
    address = server.put_repository("lab/dk", files_of(folder))
    path = f"/lab/dk/resolve/{COMMIT}/{name}"
    data = server.files[path]
    server.files[path] = data[:-1] + bytes([data[-1] ^ 1])
    with pytest.raises(DownloadError, match=rf"{name} is not what the service says: its {kind}"):
        load(address)


def test_repositories_that_cannot_be_had(server, data, folder):
    path = "/api/models/lab/none?blobs=true"
    server.put(path, b"")
    server.faults[path] = [{"code": 401}]
    with pytest.raises(DownloadError, match="no repository of this name, or it is not public"):
        load("hf://lab/none")
    with pytest.raises(ModelError, match=r"holds no model: it has README\.md"):
        load(server.put_repository("lab/text", {"README.md": b"#"}))
    with pytest.raises(InputError, match="one by one"):
        load(server.put_repository("lab/dk", files_of(folder)), sha256="0" * 64)
    assert load(server.put_repository("lab/zip", {"dk.zip": data}), sha256=sha256(data)).classes
    with pytest.raises(DownloadError, match="is no text"):
        load(server.put_repository("lab/odd", {}, sha=None))


# Zips made to do harm


def made(files, change=lambda info: None, method=zipfile.ZIP_DEFLATED):
    """A zip with entries as they are named, whatever they are."""
    data = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(data, "w", method) as archive:
        warnings.simplefilter("ignore")  # of names that are there twice
        for name, content in files:
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            change(info)
            archive.writestr(info, content)
    return data.getvalue()


def link(info):
    if info.filename == "history.csv":
        info.external_attr = (stat.S_IFLNK | 0o777) << 16


def changed_bytes(data, old, new):
    assert old in data
    return data.replace(old, new)


HARM = [
    ("leads out of the folder", lambda f: made([*f, ("../../evil.csv", b"x")])),
    ("leads out of the folder", lambda f: made([*f, ("/etc/evil.csv", b"x")])),
    ("leads out of the folder", lambda f: made([*f, ("C:/evil.csv", b"x")])),
    ("different files on different systems", lambda f: made([*f, ("a\\b.csv", b"x")])),
    ("link or a device", lambda f: made(f, link)),
    ("more than once", lambda f: made([*f, ("card.json", b"{}")])),
    ("more than once", lambda f: made([*f, ("CARD.json", b"{}")])),
    ("1,206 files", lambda f: made([*f, *((f"{i}.txt", b"") for i in range(1201))])),
    ("several models", lambda f: made([*f, *((f"b/{n}", c) for n, c in f)])),
    ("no model", lambda f: made([("a/b/" + n, c) for n, c in f])),
    ("no model", lambda f: made([("readme.txt", b"x")])),
    ("no model", lambda f: b"PK\x05\x06" + bytes(18)),
    ("incomplete: history.csv", lambda f: made([e for e in f if e[0] != "history.csv"])),
    ("more than a model has or shrinks by", lambda f: made(
        [(n, bytes(300_000_000) if n == "model.safetensors" else c) for n, c in f]
    )),
    ("history.csv would have", lambda f: made(
        [(n, bytes(70_000_000) if n == "history.csv" else c) for n, c in f]
    )),
    ("packed in a way", lambda f: made(f, method=zipfile.ZIP_LZMA)),
    ("or is damaged", lambda f: made(f)[:-30]),
]  # fmt: skip


@pytest.mark.parametrize(("message", "harm"), HARM)
def test_a_zip_made_to_do_harm(server, folder, tmp_path, message, harm):
    data = harm(list(files_of(folder).items()))
    path = tmp_path / "evil.zip"
    path.write_bytes(data)
    for place in (path, server.put("/evil.zip", data)):
        with pytest.raises(ModelError, match=message):
            load(place)
    assert left() == []
    assert not list(tmp_path.parent.glob("evil.csv"))


def test_sizes_that_a_zip_lies_about(folder, tmp_path):
    """What is unpacked ends where the list says, and the checksum then tells."""
    files = files_of(folder) | {"history.csv": bytes(5_000_000)}
    data = made(files.items())
    lying = changed_bytes(data, struct.pack("<I", 5_000_000), struct.pack("<I", 100))
    (tmp_path / "evil.zip").write_bytes(lying)
    with pytest.raises(ModelError, match="or is damaged"):
        load(tmp_path / "evil.zip")


def test_an_encrypted_zip(folder, tmp_path):
    data = bytearray(made(files_of(folder).items()))
    at = data.index(b"PK\x01\x02")
    data[at + 8] |= 1
    (tmp_path / "evil.zip").write_bytes(data)
    with pytest.raises(ModelError, match="is encrypted"):
        load(tmp_path / "evil.zip")


def test_a_model_has_a_largest_size(folder, tmp_path, monkeypatch):
    zip_folder(folder, tmp_path / "dk.zip")
    monkeypatch.setattr(unpacking, "MOST_MODEL", 1000)
    with pytest.raises(ModelError, match="more than a model has"):
        load(tmp_path / "dk.zip")


def test_a_card_cannot_write_to_the_terminal(server, folder, tmp_path):
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    card["shared"] = {
        "title": "DK\x1b[2J\nnote: all is well",
        "licence": "CC0-1.0",
        "authors": ["A" * 500],
        "names_points": False,
    }
    files = files_of(folder) | {"card.json": json.dumps(card).encode()}
    with pytest.warns(LucasMessage) as told:
        load(server.put("/dk.zip", made(files.items())))
    (message,) = (str(w.message) for w in told)
    assert "DK [2J note: all is well, by AAA" in message
    assert message.isprintable()
    assert "A" * 201 not in message

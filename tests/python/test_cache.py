"""What is kept on disk is found again, never mistaken, and stays below its limit."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest

from lucas_habitat import cache as module
from lucas_habitat import cache_info, clear_cache, features
from lucas_habitat.cache import FeatureCache, content_key, file_key
from lucas_habitat.cli import main
from lucas_habitat.engines import Target, make_runner
from lucas_habitat.engines import openvino_engine as engine
from lucas_habitat.errors import InputError, LucasMessage
from lucas_habitat.features import extract_features
from lucas_habitat.images.decode import Preprocessing
from lucas_habitat.networks.backbones import load_backbone

SPEC = {
    "backbone": {"arch": "xception", "weights": "w", "size": 224},
    "engine": "e",
    "precision": "p",
}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LUCAS_HABITAT_CACHE", str(tmp_path / "cache på ø"))
    return tmp_path / "cache på ø"


def key(i):
    return i.to_bytes(16, "little")


def fill(n, start=0, width=8, spec=SPEC):
    store = FeatureCache(spec, width)
    for i in range(start, start + n):
        store.add(key(i), np.full(width, i, np.float32))
    store.close()


def settled(path, content=b"x"):
    """A file that has not changed for long enough to be known again."""
    path.write_bytes(content)
    os.utime(path, (time.time() - 60,) * 2)
    return str(path)


@pytest.fixture
def old_enough(monkeypatch):
    """As if all files were made long ago; a file's own times stay as they are."""
    now = time.time_ns
    monkeypatch.setattr(module.time, "time_ns", lambda: now() + 60 * 10**9)


def test_rows_are_found_by_their_whole_key(cache):
    fill(1300)  # three files
    store = FeatureCache(SPEC, 8)
    assert [store.get(key(i))[0] for i in (0, 511, 512, 1299)] == [0, 511, 512, 1299]
    assert store.get(key(1300)) is None
    # the same first half, another second one
    assert store.get(key(5)[:8] + b"\1" * 8) is None


def test_rows_far_apart_are_found_in_one_look(cache, old_enough, tmp_path):
    store = FeatureCache(SPEC, 8)
    paths = [settled(tmp_path / f"{i}.jpg", str(i).encode()) for i in range(600)]
    for i, path in enumerate(paths):
        store.add(key(i), np.full(8, i, np.float32), file_key(path))
    store.close()
    asked = [599, 3, 3, 400, 0, 511]
    known, rows, _ = FeatureCache(SPEC, 8).find([*(paths[i] for i in asked), "gone.jpg"])
    assert known.tolist() == [True] * 6 + [False]
    assert rows[:6, 5].tolist() == asked


def test_features_are_kept_to_the_last_bit(cache):
    row = np.random.default_rng(0).random(8, dtype=np.float32)
    store = FeatureCache(SPEC, 8)
    store.add(key(1), row)
    store.close()
    assert np.array_equal(FeatureCache(SPEC, 8).get(key(1)), row)


def test_a_known_file_is_not_read_again(cache, tmp_path, photo_folder, old_enough, monkeypatch):
    paths = [str(p) for p in sorted(photo_folder.glob("*/*.jpg"))[:5]]
    backbone, target = load_backbone("efficientnet_lite0"), Target("openvino", "cpu", "float32")
    first = extract_features(paths, backbone, Preprocessing(), target, progress=False)

    def never(path):
        raise AssertionError(f"{path} was read")

    monkeypatch.setattr("lucas_habitat.features.read_bytes", never)
    again = extract_features(paths[::-1], backbone, Preprocessing(), target, progress=False)
    assert np.array_equal(again.values[::-1], first.values)
    assert again.status == ["ok"] * 5


def test_a_file_that_changed_has_another_key(tmp_path, old_enough):
    path = tmp_path / "a.jpg"
    before = file_key(settled(path))
    assert before == file_key(str(path))
    path.write_bytes(b"y")  # as long as before
    assert file_key(str(path)) != before
    other = settled(tmp_path / "b.jpg", b"y")
    os.replace(other, path)  # as old as any
    assert file_key(str(path)) not in (before, None)


def test_a_file_that_may_still_change_has_no_key(tmp_path, monkeypatch):
    path = tmp_path / "a.jpg"
    path.write_bytes(b"x")
    soon = path.stat().st_ctime_ns + 10**9
    monkeypatch.setattr(module.time, "time_ns", lambda: soon)
    assert file_key(str(path)) is None
    assert file_key(str(tmp_path / "gone.jpg")) is None
    assert file_key(None) is None
    assert file_key("a\0b") is None


def test_a_time_set_back_does_not_hide_a_change(tmp_path, old_enough):
    """Copying tools set the time of the original; the file system keeps its own beside it."""
    path = tmp_path / "a.jpg"
    before = file_key(settled(path))
    stat = path.stat()
    time.sleep(0.02)
    path.write_bytes(b"y")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    if os.name != "nt":
        assert file_key(str(path)) != before


def test_processes_share_the_folder(cache):
    code = (
        "import sys, numpy as np; from lucas_habitat.cache import FeatureCache\n"
        "start = int(sys.argv[1]); store = FeatureCache({'x': 1}, 8)\n"
        "for i in range(start, start + 2000):\n"
        "    store.add(i.to_bytes(16, 'little'), np.full(8, i, np.float32))\n"
        "store.close()"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(start)]) for start in (0, 1000, 2000)
    ]
    assert [p.wait(300) for p in running] == [0, 0, 0]
    store = FeatureCache({"x": 1}, 8)
    assert [store.get(key(i))[3] for i in range(0, 4000, 7)] == list(range(0, 4000, 7))
    assert not list(cache.rglob("*.tmp"))


def test_the_oldest_goes_when_the_limit_is_reached(cache, monkeypatch):
    fill(512, 0, 1000)  # 2 MB each
    fill(512, 512, 1000)
    files = sorted(cache.glob("features/*/*.safetensors"), key=lambda f: f.stat().st_mtime_ns)
    for i, file in enumerate(files):
        os.utime(file, (i, i))
    monkeypatch.setenv("LUCAS_HABITAT_CACHE_GB", "0.005")
    other = {**SPEC, "precision": "q"}
    fill(512, 0, 1000, other)
    assert not files[0].exists()
    assert cache_info().attrs["megabytes"] <= 5
    assert FeatureCache(other, 1000).get(key(3)) is not None
    # What is used stays, however old.
    os.utime(files[1], (2, 2))
    store = FeatureCache(SPEC, 1000)
    store.get(key(600))
    store.close()
    fill(512, 0, 1000, {**SPEC, "precision": "r"})
    assert files[1].exists()


@pytest.mark.parametrize("text", ["-1", "much", "nan"])
def test_a_limit_that_is_none(cache, monkeypatch, text):
    monkeypatch.setenv("LUCAS_HABITAT_CACHE_GB", text)
    with pytest.raises(InputError, match=f"CACHE_GB must be a number of GB.*got '{text}'"):
        FeatureCache(SPEC, 8)


def test_info_and_clear(cache, capsys):
    assert cache_info().empty
    fill(600)
    fill(10, spec={**SPEC, "precision": "q"})
    found = cache_info().set_index("precision")
    assert found["photos"].to_dict() == {"p": 600, "q": 10}
    assert (found["arch"] == "xception").all()
    assert found["megabytes"].sum() == pytest.approx(found.attrs["megabytes"])
    assert main(["cache", "info"]) == 0
    assert "600" in capsys.readouterr().out
    assert main(["cache", "clear"]) == 0
    assert "MB deleted" in capsys.readouterr().out
    assert cache_info().empty
    assert clear_cache() == 0


def test_clearing_leaves_what_is_not_ours(cache):
    fill(1)
    (cache / "notes.txt").write_text("mine")
    clear_cache()
    assert [f.name for f in cache.iterdir()] == ["notes.txt"]


def test_the_network_is_kept_and_gives_the_same_features(cache, monkeypatch):
    backbone, target = load_backbone("efficientnet_lite0"), Target("openvino", "cpu", "float32")
    photos = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)
    new = engine.OpenVinoRunner(backbone, "float32", 1)(photos)
    (file,) = cache.glob("networks/*/network.xml")
    with monkeypatch.context() as patch:
        patch.setattr(engine, "_convert", lambda backbone: pytest.fail("converted again"))
        assert np.array_equal(engine.OpenVinoRunner(backbone, "float32", 1)(photos), new)
    # Half a file costs only time.
    weights = file.with_suffix(".bin")
    for damage in (lambda: weights.unlink(), lambda: file.write_text("<net")):
        damage()
        assert np.array_equal(engine.OpenVinoRunner(backbone, "float32", 1)(photos), new)
    assert make_runner(backbone, target)(photos).shape == (2, 1280)


def test_a_cache_that_cannot_be_written_still_makes_the_network(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("LUCAS_HABITAT_CACHE", str(tmp_path / "file"))
    runner = engine.OpenVinoRunner(load_backbone("efficientnet_lite0"), "float32", 1)
    assert runner(np.zeros((1, 224, 224, 3), np.uint8)).shape == (1, 1280)


def test_the_content_key_is_the_contents():
    assert content_key(b"a") == content_key(b"a") != content_key(b"b")
    assert len(content_key(b"")) == 16


# Small files are merged


def segments(cache):
    return [*cache.rglob("features/*/*.safetensors")], [*cache.glob("files/*.safetensors")]


def numbers(rows):
    known, features = rows
    return known.all() and (features == np.arange(len(features))[:, None]).all()


def ask(n, width=8):
    keys = np.frombuffer(b"".join(map(key, range(n))), np.uint8).reshape(-1, 16)
    return FeatureCache(SPEC, width)._features.find(keys)


def test_many_small_calls_leave_few_files(cache, tmp_path, old_enough):
    photos = [settled(tmp_path / f"{i}.jpg", bytes([i % 256, i // 256])) for i in range(300)]
    counts = []
    for i, path in enumerate(photos):
        store = FeatureCache(SPEC, 8)
        store.add(key(i), np.full(8, i, np.float32), file_key(path))
        store.close()
        counts.append(max(map(len, segments(cache))))
    # At most seven of each size, and sizes grow eightfold.
    assert max(counts[:40]) <= 2 * 7
    assert max(counts) <= 3 * 7
    assert numbers(ask(300))
    known, features, _ = FeatureCache(SPEC, 8).find(photos)
    assert numbers((known, features))


def test_a_row_that_stands_twice_is_kept_once(cache):
    for _ in range(module._FAN):
        fill(3)
    features, _ = segments(cache)
    assert len(features) == 1
    with module.safe_open(features[0], "np") as segment:
        assert segment.get_slice("rows").get_shape() == [3, 8]
    assert numbers(ask(3))


def test_large_files_stay_as_they_are(cache, monkeypatch):
    monkeypatch.setattr(module, "_MERGED_BYTES", 2000)
    fill(100)
    (large,), _ = segments(cache)
    for i in range(40):
        fill(1, start=100 + i)
    features, _ = segments(cache)
    assert large in features
    assert numbers(ask(140))


@pytest.mark.parametrize("step", ["before the new file", "before the old files go"])
def test_a_merge_killed_at_any_moment_loses_nothing(cache, monkeypatch, step):
    fill(module._FAN - 1)
    for i in range(module._FAN - 2):
        fill(1, start=module._FAN - 1 + i)

    class KillError(BaseException):
        pass

    def die(*given):
        raise KillError

    n = 2 * module._FAN - 3
    rows = FeatureCache(SPEC, 8)._features
    files = [*rows._folder.glob("*.safetensors")]
    with monkeypatch.context() as patch:
        if step == "before the new file":
            patch.setattr(module.os, "replace", die)
        else:
            patch.setattr(module.Path, "unlink", die)
        with pytest.raises(KillError):
            rows._merge(files)
    assert numbers(ask(n))
    for i in range(20):  # and later merges go on
        fill(1, start=n + i)
    assert numbers(ask(n + 20))
    if step == "before the old files go":
        assert not [file for file in files if file.exists()]


def test_files_that_windows_holds_stay_and_do_no_harm(cache, monkeypatch):
    unlink = module.Path.unlink
    held = set()

    def stubborn(path, missing_ok=False):
        if path.suffix == ".safetensors" and len(held | {path}) <= 5:
            held.add(path)
        if path in held:
            raise PermissionError
        unlink(path, missing_ok)

    monkeypatch.setattr(module.Path, "unlink", stubborn)
    for i in range(100):
        fill(1, start=i)
    assert len(held) == 5
    assert all(path.is_file() for path in held)
    assert numbers(ask(100))
    assert len(segments(cache)[0]) <= 2 * 7 + 5 + module._FAN


def test_where_no_file_can_be_deleted_each_is_merged_once(cache, monkeypatch):
    """A folder may let nobody delete what others made; then a call must still end."""
    unlink, save_tensors, names = module.Path.unlink, module.save_tensors, []

    def stubborn(path, missing_ok=False):
        if path.suffix == ".safetensors":
            raise PermissionError
        unlink(path, missing_ok)

    def counted(tensors, path, metadata):
        names.append(path)
        assert len(names) < 1000, "merged without end"
        save_tensors(tensors, path, metadata)

    calls = module._FAN**2
    with monkeypatch.context() as patch:
        patch.setattr(module.Path, "unlink", stubborn)
        patch.setattr(module, "save_tensors", counted)
        for i in range(calls):
            fill(1, start=i)
    # Each call's file, and one of every eight of a size.
    assert len(names) == calls + calls // module._FAN + 1
    assert numbers(ask(calls))
    fill(1, start=calls)  # now they can
    assert len(segments(cache)[0]) == 2
    assert numbers(ask(calls + 1))


def test_a_file_that_cannot_be_read_now_is_not_deleted(cache, monkeypatch):
    for i in range(module._FAN - 1):
        fill(1, start=i)
    held, safe_open = segments(cache)[0][0], module.safe_open

    def busy(file, framework):
        if file == held:
            raise PermissionError
        return safe_open(file, framework)

    with monkeypatch.context() as patch:
        patch.setattr(module, "safe_open", busy)
        fill(1, start=module._FAN - 1)
    assert len(segments(cache)[0]) == 2
    assert numbers(ask(module._FAN))


def test_where_a_file_system_has_no_locks_nothing_is_merged(cache, monkeypatch):
    class NoLock:
        def __init__(self, *_, **__):
            raise NotImplementedError  # as filelock 3.20 does

    monkeypatch.setattr(module, "FileLock", NoLock)
    for i in range(module._FAN + 1):
        fill(1, start=i)
    assert len(segments(cache)[0]) == module._FAN + 1
    assert numbers(ask(module._FAN + 1))


def test_what_a_killed_process_was_writing_goes_later(cache):
    fill(1)
    folder = segments(cache)[0][0].parent
    for name, age in ((".old.tmp", 2 * 3600), (".new.tmp", 60)):
        (folder / name).write_bytes(b"half")
        os.utime(folder / name, (time.time() - age,) * 2)
    fill(1, start=1)
    assert [file.name for file in folder.glob(".*.tmp")] == [".new.tmp"]


def test_readers_see_all_rows_while_others_merge(cache):
    for i in range(module._FAN - 1):
        fill(1, start=i)
    reader = FeatureCache(SPEC, 8)
    fill(1, start=module._FAN - 1)  # merges what the reader knows of
    keys = np.frombuffer(b"".join(map(key, range(module._FAN))), np.uint8).reshape(-1, 16)
    assert numbers(reader._features.find(keys))


def test_a_merge_while_the_folder_is_read_hides_no_row(cache, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(module._Rows, "merge", lambda rows: None)
        for i in range(module._FAN):
            fill(1, start=i)
    other, safe_open, opened = FeatureCache(SPEC, 8)._features, module.safe_open, []

    def merged_meanwhile(file, framework):
        opened.append(file)
        if len(opened) == 3:
            other.merge()
        return safe_open(file, framework)

    monkeypatch.setattr(module, "safe_open", merged_meanwhile)
    assert numbers(ask(module._FAN))
    assert len(segments(cache)[0]) == 1


def test_processes_that_merge_at_once_lose_nothing(cache):
    code = (
        "import sys, numpy as np; from lucas_habitat.cache import FeatureCache\n"
        f"spec = {SPEC!r}\n"
        "for i in range(int(sys.argv[1]), 120, 4):\n"
        "    store = FeatureCache(spec, 8)\n"
        "    store.add(i.to_bytes(16, 'little'), np.full(8, i, np.float32)); store.close()\n"
    )
    running = [
        subprocess.Popen([sys.executable, "-W", "error", "-c", code, str(k)]) for k in range(4)
    ]
    assert [p.wait(timeout=300) for p in running] == [0] * 4
    assert numbers(ask(120))
    assert len(segments(cache)[0]) < 60


def test_a_cache_of_the_version_before_is_read(cache):
    """Its layout, written in plain steps: format 2, a folder a spec, one file a run."""
    import hashlib
    import json

    from safetensors.numpy import save_file

    text = json.dumps({"format": 2, **SPEC}, sort_keys=True)
    folder = cache / "features" / hashlib.sha256(text.encode()).hexdigest()[:24]
    folder.mkdir(parents=True)
    for start in (0, 5):
        keys = b"".join(map(key, range(start, start + 5)))
        rows = np.repeat(np.arange(start, start + 5, dtype=np.float32)[:, None], 8, axis=1)
        save_file(
            {"keys": np.frombuffer(keys, np.uint8).reshape(-1, 16), "rows": rows},
            folder / f"{start:032x}.safetensors",
        )
    assert numbers(ask(10))


# A cache that is smaller than the run


def rows_kept(n, spec=SPEC, width=1000):
    keys = np.frombuffer(b"".join(map(key, range(n))), np.uint8).reshape(-1, 16)
    return FeatureCache(spec, width)._features.find(keys).is_stored


@pytest.mark.filterwarnings("ignore::lucas_habitat.errors.LucasMessage")
def test_a_run_larger_than_the_cache_keeps_what_it_computed_first(cache, monkeypatch):
    monkeypatch.setenv("LUCAS_HABITAT_CACHE_GB", "0.005")
    fill(2560, width=1000)  # 10 MB
    first = rows_kept(2560)
    assert first[:1024].all()
    assert not first[1536:].any()
    assert cache_info().attrs["megabytes"] <= 5
    # Run again, it finds them, and takes none of them away.
    fill(2560, width=1000)
    assert rows_kept(2560)[first].all()


@pytest.mark.filterwarnings("ignore::lucas_habitat.errors.LucasMessage")
def test_other_features_make_room_but_not_those_of_a_run_that_goes_on(cache, monkeypatch):
    monkeypatch.setenv("LUCAS_HABITAT_CACHE_GB", "0.005")
    other = {**SPEC, "precision": "q"}
    fill(1024, width=1000)
    running = FeatureCache(SPEC, 1000)
    running.refresh()
    fill(1024, width=1000, spec=other)
    assert rows_kept(1024).all()
    assert not rows_kept(1024, other).any()
    running.close()
    fill(1024, width=1000, spec=other)
    assert rows_kept(1024, other).all()
    assert not rows_kept(1024).all()


def test_a_run_too_large_is_told_before_with_numbers(cache, monkeypatch):
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: disk(4000, 3900))
    with pytest.warns(LucasMessage) as told:
        FeatureCache(SPEC, 1280).expect(5_400_000)
    (message,) = map(str, (w.message for w in told))
    assert message.startswith(
        "The features of 5400000 photos take 27.9 GB in the cache, more than the "
    )
    assert "20.0 GB that it may take: at most 3869969 photos' are kept" in message
    assert "LUCAS_HABITAT_CACHE_GB=30.7 allows all" in message
    monkeypatch.setenv("LUCAS_HABITAT_CACHE_GB", "30.7")
    FeatureCache(SPEC, 1280).expect(5_400_000)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: disk(4000, 6))
    with pytest.warns(LucasMessage, match=r"more than the 5\.0 GB that are free on its disk"):
        FeatureCache(SPEC, 1280).expect(5_400_000)


def test_a_cache_of_no_size_keeps_nothing_and_says_nothing(cache, monkeypatch):
    monkeypatch.setenv("LUCAS_HABITAT_CACHE_GB", "0")
    store = FeatureCache(SPEC, 8)
    store.expect(10**9)
    fill(600)
    assert not rows_kept(600, width=8).any()


def disk(total, free):
    from collections import namedtuple

    return namedtuple("Usage", "total free")(total * 10**9, free * 10**9)


def test_a_disk_that_is_nearly_full_is_left_to_others(cache, monkeypatch):
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: disk(500, 0.9))
    with pytest.warns(LucasMessage, match="features of further photos are not kept"):
        fill(600)
    assert not rows_kept(600, width=8).any()


# Two processes


def test_what_another_process_writes_meanwhile_is_taken(cache, tmp_path, old_enough):
    reader = FeatureCache(SPEC, 8)
    reader.refresh()
    path = settled(tmp_path / "a.jpg")
    writer = FeatureCache(SPEC, 8)
    for i in range(40):
        writer.add(key(i), np.full(8, i, np.float32), file_key(path) if i == 3 else None)
    writer.close()
    assert reader.get(key(3)) is None
    reader.refresh()
    assert reader.get(key(3))[0] == 3
    assert reader.find([path]).rows[0, 0] == 3


def test_processes_know_of_each_other_while_they_run(cache):
    one, two = FeatureCache(SPEC, 8), FeatureCache(SPEC, 8)
    assert not one.refresh()
    assert two.refresh()
    assert one.refresh()
    two.close()
    assert not one.refresh()
    one.close()
    assert not list(cache.rglob("*.run"))


def test_rows_stay_known_however_many_files_come_one_by_one(cache):
    reader = FeatureCache(SPEC, 8)
    writer = FeatureCache(SPEC, 8)
    for start in range(0, 300, 3):
        for i in range(start, start + 3):
            writer.add(key(i), np.full(8, i, np.float32))
        writer._features.flush()
        reader.refresh()
        assert len(reader._features._indexes) <= 8
    keys = np.frombuffer(b"".join(map(key, range(300))), np.uint8).reshape(-1, 16)
    assert numbers(reader._features.find(keys))


def test_two_runs_at_once_share_the_work(cache, photo_folder, monkeypatch):
    """One run begins in the middle of the other; nothing is computed by both but what both had begun."""
    paths = [str(p) for p in sorted(photo_folder.glob("*/*.jpg"))]
    backbone, target = load_backbone("efficientnet_lite0"), Target("openvino", "cpu", "float32")
    computed, make = [], features.make_runner

    def counted(*given):
        run = make(*given)
        return lambda photos: computed.append(len(photos)) or run(photos)

    monkeypatch.setattr(features, "make_runner", counted)
    monkeypatch.setattr(module, "_SHARED_SEGMENT", 1)
    monkeypatch.setattr(features, "cores", lambda: 1)
    given = (backbone, Preprocessing(), target)
    first = features.iter_features(paths, *given, total=48, batch_size=2, progress=False)
    second = features.iter_features(paths[::-1], *given, total=48, batch_size=2, progress=False)
    for turns in (zip(first, second, strict=False), first, second):
        for _ in turns:
            pass
    assert 48 <= sum(computed) <= 48 + 16


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_segments_have_the_mode_that_the_umask_says(cache):
    before = os.umask(0o027)
    try:
        fill(3)
    finally:
        os.umask(before)
    (file,) = segments(cache)[0]
    assert file.stat().st_mode & 0o777 == 0o640


def test_a_segment_is_on_the_disk_before_it_has_its_name(cache, monkeypatch):
    events, fsync, replace = [], os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda n: (events.append("flush"), fsync(n))[1])
    monkeypatch.setattr(os, "replace", lambda a, b: (events.append("name"), replace(a, b))[1])
    fill(3)
    assert events == (["flush", "name", "flush"] if os.name != "nt" else ["flush", "name"])

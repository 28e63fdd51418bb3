"""Features are computed once, kept safely, and never mistaken for others."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lucas_habitat import engines
from lucas_habitat import features as module
from lucas_habitat.cache import FeatureCache, content_key
from lucas_habitat.engines import Target, choose_target, cores, make_runner, torch_engine
from lucas_habitat.errors import DeviceError, LucasWarning
from lucas_habitat.features import extract_features
from lucas_habitat.images.decode import Preprocessing
from lucas_habitat.networks.backbones import load_backbone

HOW = Preprocessing()
CPU = Target("openvino", "cpu", "float32")
TORCH = Target("torch", "cpu", "float32")


@pytest.fixture(scope="module")
def backbone():
    return load_backbone("efficientnet_lite0")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LUCAS_HABITAT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def paths(photo_folder):
    return [str(p) for p in sorted(photo_folder.glob("*/*.jpg"))][:6]


@pytest.fixture
def calls(monkeypatch):
    """Count decoded photos and photos run through a backbone."""
    counts = {"decoded": 0, "run": 0}
    decode, new = module.decode_photo, module.make_runner

    def counting_decode(*args):
        counts["decoded"] += 1
        return decode(*args)

    def counting_runner(*args):
        runner = new(*args)

        def run(photos):
            counts["run"] += len(photos)
            return runner(photos)

        return run

    monkeypatch.setattr(module, "decode_photo", counting_decode)
    monkeypatch.setattr(module, "make_runner", counting_runner)
    return counts


def extract(paths, backbone, how=HOW, target=CPU, **options):
    return extract_features(paths, backbone, how, target, progress=False, **options)


def test_a_second_time_nothing_is_decoded_or_run(paths, backbone, cache, calls):
    first = extract(paths, backbone)
    assert calls == {"decoded": 6, "run": 6}
    second = extract(paths, backbone)
    assert calls == {"decoded": 6, "run": 6}
    assert np.array_equal(first.values, second.values)
    assert np.isfinite(first.values).all()


def test_without_the_cache_nothing_is_kept(paths, backbone, cache, calls):
    extract(paths, backbone, cache=False)
    extract(paths, backbone, cache=False)
    assert calls == {"decoded": 12, "run": 12}
    assert not cache.exists()


@pytest.mark.parametrize(
    "how",
    [
        replace(HOW, resize="nearest"),
        replace(HOW, decoder="pillow"),
        replace(HOW, credit="keep"),
        replace(HOW, credit="mask"),
        replace(HOW, credit="crop"),
    ],
)
def test_another_way_to_read_photos_is_another_entry(paths, backbone, cache, calls, how):
    extract(paths, backbone)
    extract(paths, backbone, how)
    assert calls["run"] == 12


def test_another_precision_scaling_or_weights_is_another_entry(paths, backbone, cache, calls):
    extract(paths, backbone)
    extract(paths, backbone, target=Target("torch", "cpu", "float32"))
    extract(paths, load_backbone("efficientnet_lite0", scaling="unit"))
    extract(paths, load_backbone("efficientnet_lite0", weights=None))
    assert calls["run"] == 24


def test_another_version_of_a_library_is_another_entry(paths, backbone, cache, calls, monkeypatch):
    extract(paths, backbone)
    versions = module.library_versions() | {"openvino": "9.9"}
    monkeypatch.setattr(module, "library_versions", lambda: versions)
    extract(paths, backbone)
    assert calls["run"] == 12


def test_a_changed_file_is_another_photo(paths, backbone, cache, calls, tmp_path):
    photo = tmp_path / "a.jpg"
    photo.write_bytes(Path(paths[0]).read_bytes())
    before = extract([str(photo)], backbone).values
    photo.write_bytes(Path(paths[5]).read_bytes())
    after = extract([str(photo)], backbone).values
    assert calls["run"] == 2
    assert not np.array_equal(before, after)


def test_the_same_photo_elsewhere_is_known(paths, backbone, cache, calls, tmp_path):
    extract(paths[:1], backbone)
    copy = tmp_path / "æble.jpg"
    copy.write_bytes(Path(paths[0]).read_bytes())
    extract([str(copy)], backbone)
    assert calls["run"] == 1


def test_a_damaged_file_of_the_cache_costs_only_time(paths, backbone, cache, calls):
    first = extract(paths, backbone)
    (segment,) = cache.glob("features/*/*.safetensors")
    segment.write_bytes(segment.read_bytes()[:200])
    assert np.array_equal(extract(paths, backbone).values, first.values)
    assert calls["run"] == 12


def test_a_folder_that_cannot_be_written_costs_only_the_cache(
    paths, backbone, monkeypatch, tmp_path
):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("LUCAS_HABITAT_CACHE", str(tmp_path / "file"))
    with pytest.warns(LucasWarning, match="cannot be cached .* LUCAS_HABITAT_CACHE names another"):
        found = extract(paths, backbone)
    assert found.ok.all()


def test_an_interrupted_run_keeps_what_is_finished(paths, backbone, cache, calls, monkeypatch):
    new, ran = module.make_runner, []

    def stops_after_two_batches(*args):
        runner = new(*args)

        def run(photos):
            if len(ran) == 2:
                raise KeyboardInterrupt
            ran.append(1)
            return runner(photos)

        return run

    with monkeypatch.context() as patch:
        patch.setattr(module, "make_runner", stops_after_two_batches)
        with pytest.raises(KeyboardInterrupt):
            extract(paths, backbone, batch_size=2)
    assert calls["run"] == 4
    extract(paths, backbone, batch_size=2)
    assert calls["run"] == 6


def test_two_writers_share_a_folder(cache):
    a, b = (FeatureCache({"x": 1}, 3) for _ in range(2))
    a.add(b"a" * 16, np.ones(3, np.float32))
    b.add(b"b" * 16, np.zeros(3, np.float32))
    a.close()
    b.close()
    both = FeatureCache({"x": 1}, 3)
    assert both.get(b"a" * 16).tolist() == [1, 1, 1]
    assert both.get(b"b" * 16).tolist() == [0, 0, 0]
    assert FeatureCache({"x": 2}, 3).get(b"a" * 16) is None


def test_unreadable_photos_are_rows_with_reasons(paths, backbone, tmp_path):
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("not a photo at all")
    (tmp_path / "cut.jpg").write_bytes(Path(paths[0]).read_bytes()[:700])
    bad = [str(tmp_path / n) for n in ("empty.jpg", "text.jpg", "cut.jpg", "gone.jpg")]
    found = extract([paths[0], *bad, paths[1]], backbone)
    assert found.status == ["ok", "empty", "not a photo", "damaged", "missing", "ok"]
    assert all(found.error[1:5])
    assert np.isnan(found.values[1:5]).all()
    assert np.isfinite(found.values[[0, 5]]).all()


def test_rows_keep_their_order_whatever_the_batches(paths, backbone):
    whole = extract(paths, backbone, cache=False).values
    for batch_size in (1, 4):
        parts = extract(paths[::-1], backbone, cache=False, batch_size=batch_size).values
        assert np.abs(parts[::-1] - whole).max() < 1e-4


def test_engines_agree(paths, backbone):
    openvino = extract(paths, backbone, cache=False).values
    torch = extract(paths, backbone, target=Target("torch", "cpu", "float32"), cache=False).values
    assert np.abs(openvino - torch).max() < 1e-4 * np.abs(torch).max()


def test_the_gpus_path_in_bfloat16_on_the_cpu(backbone):
    photos = np.random.default_rng(0).integers(0, 256, (3, 224, 224, 3), dtype=np.uint8)
    exact = make_runner(backbone, Target("torch", "cpu", "float32"))(photos)
    rough = make_runner(backbone, Target("torch", "cpu", "bfloat16"))(photos)
    assert rough.dtype == np.float32
    difference = np.abs(exact - rough).max() / np.abs(exact).max()
    assert 0 < difference < 0.1


@pytest.mark.parametrize(
    "message",
    [
        "CUDA out of memory. Tried to allocate 2.00 GiB.",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "GET was unable to find an engine to execute this computation",
        "MPS backend out of memory (MPS allocated: 9.05 GB)",
    ],
)
def test_a_batch_too_large_for_the_gpu_is_run_in_halves(backbone, monkeypatch, message):
    runner = make_runner(backbone, replace(TORCH, precision="bfloat16"))
    monkeypatch.setattr(runner, "_most", None)
    run, sizes = type(runner)._run, []

    def small_memory(self, photos, stream):
        sizes.append(len(photos))
        if len(photos) > 2:
            raise RuntimeError(message)
        return run(self, photos, stream)

    monkeypatch.setattr(type(runner), "_run", small_memory)
    photos = np.zeros((5, 224, 224, 3), np.uint8)
    assert runner(photos).shape == (5, 1280)
    assert sizes == [5, 2, 2, 1]
    assert runner(photos).shape == (5, 1280)
    assert sizes[4:] == [2, 2, 1]  # what fits is remembered


def test_a_gpu_too_small_for_one_photo_is_told(backbone, monkeypatch):
    runner = make_runner(backbone, TORCH)
    monkeypatch.setattr(runner, "_most", None)

    def no_memory(self, photos, stream):
        raise RuntimeError("CUDA out of memory.")

    monkeypatch.setattr(type(runner), "_run", no_memory)
    with pytest.raises(DeviceError, match=r"too little memory free for a single photo.*'cpu'"):
        runner(np.zeros((3, 224, 224, 3), np.uint8))

    def broken(self, photos, stream):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(type(runner), "_run", broken)
    with pytest.raises(RuntimeError, match="illegal memory access"):
        runner(np.zeros((3, 224, 224, 3), np.uint8))


def test_batches_that_are_too_large_together_wait_for_each_other(backbone, monkeypatch):
    """A batch that fits alone is not cut to pieces because another thread's took the memory."""
    monkeypatch.setattr(torch_engine, "_LANES", {"cpu": 2})
    runner = torch_engine.TorchRunner(backbone, "cpu", "float32")
    lock, used, most_used, begun = threading.Lock(), [0], [0], threading.Event()
    has_failed = threading.Event()

    def shared_memory(self, photos, stream):
        with lock:
            if used[0] + len(photos) > 6:
                has_failed.set()
                raise RuntimeError("CUDA out of memory.")
            used[0] += len(photos)
            most_used[0] = max(most_used[0], used[0])
        begun.set()
        assert has_failed.wait(30)
        with lock:
            used[0] -= len(photos)
        return np.zeros((len(photos), 3), np.float32)

    monkeypatch.setattr(type(runner), "_run", shared_memory)
    photos = np.zeros((4, 224, 224, 3), np.uint8)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(runner, photos)
        assert begun.wait(30)
        second = pool.submit(runner, photos)
        assert first.result(30).shape == second.result(30).shape == (4, 3)
    assert runner._most == 2
    assert most_used == [4]


def test_no_device_is_asked_for_what_it_may_not_have(backbone, monkeypatch):
    """Metal has no autocast in every torch, and its copies are not pinned."""
    import torch

    runner = torch_engine.TorchRunner(backbone, "cpu", "float32")
    for name in ("autocast", "Tensor.pin_memory"):
        monkeypatch.setattr(f"torch.{name}", None)
    copies, to = [], torch.Tensor.to

    def copying(tensor, *args, **options):
        copies.append(options.get("non_blocking", False))
        return to(tensor, *args, **options)

    monkeypatch.setattr(torch.Tensor, "to", copying)
    assert runner(np.zeros((2, 224, 224, 3), np.uint8)).shape == (2, 1280)
    assert copies == [False]


def test_bfloat16_is_asked_of_the_gpu_that_computes(monkeypatch):
    import torch

    monkeypatch.setattr(
        torch.cuda, "get_device_capability", lambda d: {"cuda:0": (9, 0), "cuda:1": (7, 5)}[d]
    )
    monkeypatch.setattr(engines, "_gpu", lambda device: device)
    assert choose_target("cuda:0").precision == "bfloat16"
    assert choose_target("cuda:1").precision == "float32"
    monkeypatch.setattr(torch.version, "hip", "6.2")
    assert choose_target("cuda:1").precision == "bfloat16"


def test_absent_devices_say_what_is_seen():
    with pytest.raises(DeviceError, match=r"no device 'cuda:7'.*sees no GPU.*device='cpu'"):
        choose_target("cuda:7")
    with pytest.raises(DeviceError, match="does not compute in bfloat16"):
        choose_target("torch", "bfloat16")


def test_torch_is_asked_for_a_gpu_only_where_one_may_be(monkeypatch):
    asked = []
    monkeypatch.setattr(engines, "_gpu", lambda device: asked.append(device) or "cpu")
    monkeypatch.setattr(engines, "_may_have_gpu", lambda: False)
    assert choose_target().device == "cpu"
    assert choose_target("torch").engine == "torch"
    assert asked == []
    monkeypatch.setattr(engines, "_may_have_gpu", lambda: True)
    assert choose_target().device == "cpu"
    choose_target("cuda")
    assert asked == ["auto", "cuda"]


def test_memory_holds_a_bounded_number_of_decoded_photos(monkeypatch, backbone):
    """No core reads more than it computes at once."""
    decoded, seen = [], []
    monkeypatch.setattr(module, "read_bytes", lambda path: path.encode())
    monkeypatch.setattr(
        module,
        "decode_photo",
        lambda data, how: decoded.append(1) or np.zeros((224, 224, 3), np.uint8),
    )

    def slow(*args):
        def run(photos):
            time.sleep(0.05)
            seen.append(len(photos))
            assert len(decoded) - sum(seen) <= 4 * cores()
            return np.zeros((len(photos), 1280), np.float32)

        return run

    monkeypatch.setattr(module, "make_runner", slow)
    extract([str(i) for i in range(100)], backbone, cache=False, batch_size=4)
    assert sum(seen) == 100


def test_progress_reaches_a_callable(paths, backbone, cache):
    calls = []
    extract_features(paths, backbone, HOW, CPU, progress=lambda *a: calls.append(a))
    assert calls[0] == (0, 6, "photos")
    assert calls[-1] == (6, 6, "photos")


def test_no_file_of_the_cache_stays_open(paths, backbone, cache):
    """A long-lived process would run out of handles, and Windows locks what is mapped."""
    for path in paths:
        extract([path], backbone)
    assert len(list(cache.glob("features/*/*.safetensors"))) == len(paths)
    store = FeatureCache(module._spec(backbone, HOW, CPU), 1280)
    opened = {str(p) for p in cache.rglob("*.safetensors")}
    mapped = Path("/proc/self/maps")
    if mapped.exists():
        assert not [line for line in mapped.read_text().splitlines() if line.split()[-1] in opened]
    key = content_key(Path(paths[0]).read_bytes())
    assert np.array_equal(store.get(key), extract(paths[:1], backbone).values[0])
    for file in cache.rglob("*.safetensors"):
        file.unlink()
    assert store.get(key) is None

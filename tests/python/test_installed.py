"""What R is told of an installation: fast, without torch, and true; and whether it works at all."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from lucas_habitat import bridge
from lucas_habitat.bridge import installed, machine, tried
from lucas_habitat.bridge.environment import hand_over
from lucas_habitat.bridge.machine import Build, build_of, computing

CPU = "the CPU, through OpenVINO"
CUDA_13 = Build("2.14.1+cu130", "13.0", False)
CUDA_12 = Build("2.14.1+cu126", "12.6", False)
PLAIN = Build("2.14.1+cpu", "", False)


class Driver:
    """NVIDIA's management library, as its header has it, with one card."""

    def __init__(self, name="NVIDIA H100", capability=(9, 0), cuda=13020, fails=""):
        self.name, self.capability, self.cuda, self.fails = name, capability, cuda, fails
        self.is_running = False

    def nvmlInit_v2(self):  # noqa: N802
        self.is_running = self.fails != "init"
        return 0 if self.is_running else 9

    def nvmlShutdown(self):  # noqa: N802
        self.is_running = False
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, index, handle):  # noqa: N802
        return 6 if self.fails == "handle" else 0

    def nvmlDeviceGetName(self, handle, name, length):  # noqa: N802
        name.value = self.name.encode()[: length - 1]
        return 0

    def nvmlDeviceGetCudaComputeCapability(self, handle, major, minor):  # noqa: N802
        major._obj.value, minor._obj.value = self.capability
        return 0

    def nvmlSystemGetCudaDriverVersion_v2(self, version):  # noqa: N802
        version._obj.value = self.cuda
        return 0


@pytest.fixture
def without_torch(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(machine.sys, "platform", "linux")


@pytest.fixture
def with_card(without_torch, monkeypatch):
    def put_in(**card):
        driver = Driver(**card)
        monkeypatch.setattr(machine, "_driver", lambda: driver)
        return driver

    return put_in


def test_status_imports_neither_torch_nor_openvino():
    code = (
        "import sys; from lucas_habitat import bridge; bridge.status(); "
        "print(sorted({'torch', 'torchvision', 'timm', 'openvino', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_status_tells_the_builds_that_torch_and_torchvision_tell():
    import torch
    import torchvision

    found = bridge.status()
    assert found["torch"] == str(torch.__version__)
    assert found["torchvision"] == str(torchvision.__version__)
    assert build_of("torch").cuda == (torch.version.cuda or "")


def test_a_package_that_is_not_there_has_no_build(monkeypatch):
    assert build_of("no_such_package_at_all") is None
    assert build_of("colorsys") is None  # a module without a file version.py beside it
    monkeypatch.setitem(sys.modules, "made_unimportable", None)
    assert build_of("made_unimportable") is None


def test_what_looks_like_two_builds_is_imported_to_be_sure(monkeypatch):
    other = Build("0.29.1", "", False)
    monkeypatch.setitem(sys.modules, "torchvision", None)
    assert installed._pair_error(CUDA_13, Build("0.29.1+cu130", "", False)) == ""
    assert "torchvision" in installed._pair_error(CUDA_13, other)
    monkeypatch.undo()
    assert installed._pair_error(CUDA_13, other) == ""  # here they load all the same


@pytest.mark.parametrize(
    ("build", "card", "gpu", "device", "problem"),
    [
        (CUDA_13, {}, "NVIDIA H100", "NVIDIA H100, through torch for CUDA 13.0", ""),
        (CUDA_12, {"cuda": 12040}, "NVIDIA H100", "NVIDIA H100, through torch for CUDA 12.6", ""),
        (PLAIN, {}, "", CPU, "built for the CPU: lucas_install(gpu = TRUE, force = TRUE)"),
        (PLAIN, {"capability": (6, 1)}, "", CPU, 'lucas_install(gpu = "cu126", force = TRUE)'),
        (
            CUDA_13,
            {"capability": (7, 0)},
            "",
            CPU,
            "too old for this torch, which is built for CUDA 13.0",
        ),
        (
            CUDA_13,
            {"cuda": 12040},
            "",
            CPU,
            "runs CUDA 12, and this torch is built for CUDA 13.0: update",
        ),
        (CUDA_13, {"fails": "init"}, "", CPU, ""),
        (CUDA_13, {"fails": "handle"}, "", CPU, ""),
    ],
)
def test_a_card_is_named_only_where_torch_computes_on_it(
    with_card, build, card, gpu, device, problem
):
    driver = with_card(**card)
    here = computing(build, has_openvino=True)
    assert (here.gpu, here.device) == (gpu, device)
    assert problem in here.problem
    assert bool(problem) == bool(here.problem)
    assert not driver.is_running


@pytest.mark.parametrize("hidden", ["", "-1"])
def test_a_hidden_card_is_none(with_card, monkeypatch, hidden):
    with_card()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    assert computing(CUDA_13, True) == ("", CPU, "")


def test_without_a_driver_the_cpu_computes(without_torch, monkeypatch):
    def no_driver():
        raise OSError("libnvidia-ml.so.1: cannot open shared object file")

    monkeypatch.setattr(machine, "_driver", no_driver)
    assert computing(CUDA_13, True) == ("", CPU, "")
    assert "slower than OpenVINO" in computing(CUDA_13, has_openvino=False).device


@pytest.mark.parametrize(("processor", "gpu"), [("arm64", "Apple (mps)"), ("x86_64", "")])
def test_only_apples_own_processors_have_its_gpu(without_torch, monkeypatch, processor, gpu):
    monkeypatch.setattr(machine.sys, "platform", "darwin")
    monkeypatch.setattr(machine.platform, "machine", lambda: processor)
    monkeypatch.setattr(machine, "_driver", lambda: Driver(fails="init"))
    assert computing(Build("2.14.1", "", False), True).gpu == gpu


def test_once_torch_is_here_it_is_asked(with_card, monkeypatch):
    with_card()
    torch = SimpleNamespace(cuda=SimpleNamespace(), backends=SimpleNamespace(mps=SimpleNamespace()))
    torch.backends.mps.is_available = lambda: False
    monkeypatch.setitem(sys.modules, "torch", torch)
    torch.cuda.is_available = lambda: True
    torch.cuda.get_device_name = lambda index: f"card {index}"
    assert computing(CUDA_13, True).gpu == "card 0"
    torch.cuda.is_available = lambda: False
    here = computing(CUDA_13, True)
    assert here.gpu == ""
    assert "torch does not see NVIDIA H100" in here.problem


def test_a_photo_goes_the_whole_way(capsys):
    told = bridge.try_out()
    assert told["ok"], told["text"]
    assert "a drawn photo was classified by EfficientNet-Lite0" in told["text"]
    bridge.print_try_out()
    assert capsys.readouterr().out.split("\n")[0] == "ok"


def test_what_keeps_a_photo_from_it_is_told_and_not_raised(monkeypatch, capsys):
    import lucas_habitat

    def fail(*_, **__):
        raise RuntimeError("operator torchvision::nms does not exist\nmore")

    monkeypatch.setattr(lucas_habitat, "train", fail, raising=False)
    told = bridge.try_out()
    assert not told["ok"]
    assert told["text"] == "RuntimeError: operator torchvision::nms does not exist"
    tried.print_try_out()
    assert capsys.readouterr().out.startswith("failed\nRuntimeError: operator torchvision::nms")


def test_environment_variables_are_those_of_r(monkeypatch):
    monkeypatch.setenv("LUCAS_HABITAT_CACHE", "/old")
    monkeypatch.setenv("LUCAS_HABITAT_WEIGHTS", "/gone")
    monkeypatch.setenv("https_proxy", "http://gone")
    monkeypatch.setenv("LUCAS_SHARED_FOR_THIS_TEST", "stays")
    monkeypatch.setenv("AWS_PROFILE", "stays")
    hand_over(["LUCAS_HABITAT_CACHE", "AWS_PROFILE", "PATH"], ["/new ø", "stays", "/not ours"])
    assert os.environ["LUCAS_HABITAT_CACHE"] == "/new ø"
    assert "LUCAS_HABITAT_WEIGHTS" not in os.environ
    assert "https_proxy" not in os.environ
    assert os.environ["LUCAS_SHARED_FOR_THIS_TEST"] == os.environ["AWS_PROFILE"] == "stays"
    assert os.environ["PATH"] != "/not ours"
    hand_over([], [])
    assert "LUCAS_HABITAT_CACHE" not in os.environ

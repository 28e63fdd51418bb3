"""Colours: everyone can tell them apart, and a class keeps its own."""

import numpy as np
import pytest
from pictures_support import HARD

from lucas_habitat import class_colours
from lucas_habitat.errors import InputError
from lucas_habitat.pictures.colours import COLOURS, PILOT, class_styles

# Machado et al. 2009, severity 1, for linear RGB.
SIGHT = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                     [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                   [0.004733, 0.691367, 0.303900]],
}  # fmt: skip


TO_XYZ = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
          [0.0193339, 0.1191920, 0.9503041]]  # fmt: skip


def cielab(colours, sight="normal"):
    rgb = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in colours]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(linear @ np.array(SIGHT[sight]).T, 0, 1)
    xyz = linear @ np.array(TO_XYZ).T / [0.95047, 1, 1.08883]
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    x, y, z = f.T
    return np.column_stack([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def nearest(lab):
    apart = np.linalg.norm(lab[:, None] - lab, axis=2)
    return apart[~np.eye(len(lab), dtype=bool)].min()


def test_cielab_is_the_textbooks():
    # sRGB red, by hand from its XYZ of (0.4125, 0.2127, 0.0193)
    assert cielab(["#FF0000", "#FFFFFF"])[0] == pytest.approx([53.24, 80.09, 67.20], abs=0.02)


@pytest.mark.parametrize("sight", SIGHT)
def test_everyone_can_tell_the_colours_apart(sight):
    assert nearest(cielab(class_colours(PILOT).values(), sight)) > 20
    assert nearest(cielab([*COLOURS, "#FFFFFF"], sight)) > 18


def test_the_pilots_classes_differ_in_grey():
    lightness = np.sort(cielab(class_colours(PILOT).values())[:, 0])
    assert np.diff(lightness).min() > 15


def test_same_class_same_colour():
    pilot = class_colours(PILOT)
    assert class_colours(["woody", "artificial"]) == {c: pilot[c] for c in ("woody", "artificial")}
    assert class_colours(["heath", *PILOT])["woody"] == pilot["woody"]
    assert class_colours(["a", "b", "c"]) == dict(zip("abc", COLOURS, strict=False))
    # An unknown reference class comes last and changes nothing.
    assert list(class_colours(["a", "b", "aa"]).items())[:2] == list(
        class_colours(["a", "b"]).items()
    )
    assert len(set(class_colours(HARD).values())) == 12


def test_shapes_tell_apart_what_colours_cannot():
    styles = class_styles([f"class {i}" for i in range(60)])
    assert not styles.duplicated(["colour", "marker"]).any()
    assert not styles.duplicated(["colour", "pch"]).any()


@pytest.mark.parametrize(
    ("classes", "said"), [([], "at least one"), (["a", "a"], "stand twice: a")]
)
def test_no_colours_for_nonsense(classes, said):
    with pytest.raises(InputError, match=said):
        class_colours(classes)

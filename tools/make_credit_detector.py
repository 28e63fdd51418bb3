r"""Make python/lucas_habitat/data/credit_line.safetensors: the small network that sees a credit line.

    python tools/make_credit_detector.py ../shared/data/lucas/photos \
        python/lucas_habitat/data/credit_line.safetensors

Two processes, a quarter of an hour. The network never sees a real line: lines of many fonts, sizes,
places and looks are drawn over pieces of photos, which are packed as JPEG and read at a reduced scale
as photos are. The pieces come from the survey's photos (CC BY 4.0) without the corner of their own
line, from drawn photos, and from the two photos that come with scikit-learn. Fonts come with
matplotlib, Pillow and gradio; those in `HELD_OUT` are left for benchmarks/credit.py.
The network that is shipped was made by an earlier state of this script: corners were shrunk by the
bilinear filter, and lines drawn by other code to the same recipe. One made anew scores differently:
`_SURE` in credit_line.py is then to be measured again.
"""

import io
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import gradio
import matplotlib
import numpy as np
import simplejpeg
import sklearn
import torch
from PIL import Image, ImageDraw, ImageFont
from safetensors.numpy import save_file
from torch import nn

from lucas_habitat.images.credit_line import COLUMNS, ROWS, prepared
from lucas_habitat.images.drawn import _noise_tile, _plan, _view

HELD_OUT = ("STIXGeneral", "IBMPlexSans")
TEXTS = (
    "© Eurostat LUCAS {}",
    "© Eurostat LUCAS {}",
    "© European Union\nLUCAS {}",
    "© European Union\nLUCAS {}",
    "© European Union, LUCAS {}",
    "© EU LUCAS {}",
    "(c) Eurostat, LUCAS survey {}",
    "(c) lucas-habitat\ndemo {}",
    "(c) lucas-habitat demo {}",
    "Copyright European\nCommission {}",
)


def fonts():
    """Files of fonts that write plain text."""
    ttf = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    places = [ttf.glob("DejaVuSans*.ttf"), ttf.glob("STIXGeneral*.ttf"), [ttf / "cmss10.ttf"]]
    places += [Path(gradio.__file__).parent.glob("templates/frontend/static/fonts/*/*.woff2")]
    odd = ("Display", "PressStart", "Monofett", "Chakra")
    files = [str(f) for place in places for f in place if not any(o in f.name for o in odd)]
    return sorted((f for f in files if writes_latin(f)), key=lambda f: Path(f).name)


def writes_latin(file):
    """Whether a font has letters of its own: some of the web's hold only a part of an alphabet."""
    font = ImageFont.truetype(file, 30)
    return len({bytes(font.getmask(letter)) for letter in "LUCAS2©"}) == 7


class Line(NamedTuple):
    """A credit line; lengths are shares of the photo's height."""

    text: str
    font: str | None  # a file; None is Pillow's own font
    size: float
    x: float
    below: float  # what is left free under it
    look: str = "plain"  # or "rim", "shadow", "hollow"
    spacing: float = 0.1  # between two lines, in letters
    light: int = 255
    dark: int = 30
    strength: float = 1.0


def draw_line(image, line, high):
    """Draw a line into the lowest left corner, of a photo ``high`` pixels high; None if it is too long."""
    size = max(6, line.size * high)
    font = (
        ImageFont.load_default(size) if line.font is None else ImageFont.truetype(line.font, size)
    )
    rim = max(1, round(high / 600))
    spacing = line.spacing * size
    box = ImageDraw.Draw(image).multiline_textbbox((0, 0), line.text, font, spacing=spacing)
    x, y = line.x * high - box[0] + rim, image.height - line.below * high - box[3] - rim
    if x + box[2] > 0.98 * image.width or y + box[1] < 0:
        return None

    def letters(move=0, stroke=0):
        mask = Image.new("L", image.size)
        ImageDraw.Draw(mask).multiline_text(
            (x + move, y + move), line.text, 255, font, spacing=spacing, stroke_width=stroke
        )
        return mask

    def write(value, mask):
        image.paste((value,) * 3, mask=mask.point(lambda v: int(v * line.strength)))

    below = image.copy()
    if line.look in ("rim", "hollow"):
        write(line.dark, letters(stroke=rim))
    if line.look == "shadow":
        write(line.dark, letters(move=rim))
    write(line.light, letters())
    if line.look == "hollow":
        below = Image.blend(below, Image.new("RGB", image.size, (128,) * 3), 0.4)
        image.paste(below, (rim, rim), letters().point(lambda v: 255 * (v > 200)))
    return image


def any_line(rng, files):
    """A line of any wording, font, look and place."""
    text = TEXTS[rng.integers(len(TEXTS))].format(rng.integers(2000, 2030))
    light, dark = int(rng.choice([255, rng.integers(170, 256)])), int(rng.integers(0, 90))
    if rng.random() < 0.07:
        light, dark = dark, light
    return Line(
        text,
        None if rng.random() < 0.15 else files[rng.integers(len(files))],
        size=rng.uniform(0.018, 0.029) if "\n" in text else rng.uniform(0.017, 0.027),
        x=rng.uniform(0.002, 0.09),
        below=rng.uniform(0, 0.06),
        look=rng.choice(["plain", "rim", "shadow", "hollow"], p=[0.4, 0.25, 0.15, 0.2]),
        spacing=rng.uniform(-0.1, 0.35),
        light=light,
        dark=dark,
        strength=float(rng.choice([1, 1, rng.uniform(0.55, 1)])),
    )


def pieces(folder):
    """Photos to cut pieces from, and the share of the lowest left corner that is not to be used."""
    photos = [(Image.open(p).convert("RGB"), True) for p in sorted(Path(folder).rglob("*.jpg"))]
    images = Path(sklearn.__file__).parent / "datasets" / "images"
    photos += [(Image.open(p).convert("RGB"), False) for p in sorted(images.glob("*.jpg"))]
    _noise_tile()
    for number, photo in enumerate(_plan(40, 77)[:120]):
        rng = np.random.default_rng([77, number])
        view = _view(photo, rng, [77, number], 512, 384)
        photos.append((view.crop((16, 12, 496, 372)).resize((1600, 1200)), False))
    return photos


def cut(photos, size, rng):
    """A piece of a photo at some scale; grain is added to drawn and enlarged ones."""
    real = [p for p in photos if p[1]]
    image, has_line = (
        real[rng.integers(len(real))] if rng.random() < 0.75 else photos[rng.integers(len(photos))]
    )
    high = size[1] * 300 / ROWS
    scale = float(np.exp(rng.uniform(np.log(0.35), np.log(1.6)))) * image.height / high
    wide, tall = min(size[0] * scale, image.width), min(size[1] * scale, image.height)
    while True:
        x, y = rng.uniform(0, image.width - wide), rng.uniform(0, image.height - tall)
        if not (has_line and y + tall > 0.9 * image.height and x < 0.4 * image.width):
            break
    piece = image.resize(size, Image.Resampling.BILINEAR, (x, y, x + wide, y + tall))
    if rng.random() < 0.5:
        piece = piece.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    light = np.asarray(piece, np.float32)
    light = (light - 128) * rng.lognormal(0, 0.25) + 128 + rng.normal(0, 25)
    light += rng.normal(0, rng.choice([0, 2, 6]), light.shape)
    return Image.fromarray(light.clip(0, 255).astype(np.uint8))


def sample(photos, rng, files):
    """An input of the network, and whether a line stands in it."""
    factor = int(rng.choice([1, 2, 4, 8], p=[0.2, 0.25, 0.45, 0.1]))
    rows = int(rng.integers(21, 44))
    size = (round(rows * COLUMNS / ROWS) * factor, rows * factor)
    piece, has_line = cut(photos, size, rng), rng.random() < 0.5
    if has_line:
        high, drawn = size[1] * 300 / ROWS, None
        while drawn is None:
            drawn = draw_line(piece, any_line(rng, files), high)
        piece = drawn
    data = io.BytesIO()
    piece.save(data, "JPEG", quality=int(rng.integers(70, 95)), subsampling=int(rng.integers(0, 3)))
    rgb = simplejpeg.decode_jpeg(
        data.getvalue(),
        min_height=-(-size[1] // factor),
        min_width=-(-size[0] // factor),
        min_factor=1,
    )
    return prepared(Image.fromarray(rgb)), has_line


def samples(job):
    folder, seed, n = job
    photos, rng = pieces(folder), np.random.default_rng(seed)
    files = [f for f in fonts() if not Path(f).name.startswith(HELD_OUT)]
    made = [sample(photos, rng, files) for _ in range(n)]
    return np.stack([x for x, _ in made]), np.array([y for _, y in made], np.float32)


class Network(nn.Module):
    """Three layers of convolutions; the surest place speaks for the whole."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 12, 5, stride=2)
        self.second = nn.Conv2d(12, 16, (3, 5), stride=(1, 2))
        self.third = nn.Conv2d(16, 16, (3, 7))
        self.last = nn.Conv2d(16, 1, 1)

    def forward(self, x):
        """The log odds of a line, summed over all places."""
        x = torch.relu(self.first(x[:, None]))
        x = torch.relu(self.second(x))
        x = torch.relu(self.third(x))
        return torch.logsumexp(self.last(x).flatten(1), 1)


def fit(x, y, epochs=10, seed=1):
    torch.manual_seed(seed)
    x, y = torch.from_numpy(x), torch.from_numpy(y)
    network, size = Network(), 256
    optimizer = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=1e-3)
    steps = epochs * (len(x) // size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    for epoch in range(epochs):
        total = 0.0
        for rows in torch.randperm(len(x))[: len(x) // size * size].view(-1, size):
            loss = nn.functional.binary_cross_entropy_with_logits(network(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        print(f"epoch {epoch + 1}: loss {total * size / len(x):.4f}", flush=True)
    return network.eval()


def main(folder, path, n=80_000):
    jobs = [(folder, seed, n // 8) for seed in range(8)]
    with ProcessPoolExecutor(2) as pool:
        made = list(pool.map(samples, jobs))
    x, y = (np.concatenate(part) for part in zip(*made, strict=True))
    network = fit(x, y)
    held_x, held_y = samples((folder, 999, 4000))
    with torch.no_grad():
        score = network(torch.from_numpy(held_x)).numpy()
    without, having = score[held_y == 0], score[held_y == 1]
    for share in (0.01, 0.001):
        edge = np.quantile(without, 1 - share)
        print(
            f"false alarms {share:.1%}: score above {edge:.2f}, hits {np.mean(having > edge):.3f}"
        )
    save_file({k: v.numpy().astype(np.float16) for k, v in network.state_dict().items()}, path)


if __name__ == "__main__":
    main(*sys.argv[1:3], *(int(v) for v in sys.argv[3:4]))

r"""Make python/lucas_habitat/data/credit_line.safetensors: the small network that sees a credit line.

    OMP_NUM_THREADS=1 python tools/make_credit_detector.py python/lucas_habitat/data/credit_line.safetensors

Some four minutes of processor time; run twice on one machine it writes the same bytes. The network sees
no photo: lines of many fonts, sizes, places and looks are drawn over pictures that are drawn too
(leaves, grass, straw, noise, furrows, water, pavement, demo photos), any line over any picture, anew
in every epoch. The edge is chosen on drawings of other seeds. Fonts are
those that come with matplotlib and Pillow; those of gradio are left for benchmarks/credit.py.
"""

import sys
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
import simplejpeg
import torch
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from safetensors.numpy import save_file
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from lucas_habitat.images.credit_line import COLUMNS, ROWS, evened, shrunk
from lucas_habitat.images.drawn import _noise_tile, _plan, _view

#: Of the drawings without a line, how many may be taken for one.
FALSE_ALARMS = 0.005

#: A drawing, in pixels.
WIDE, TALL = 1200, 800

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
    """Files of matplotlib's fonts that write plain text."""
    ttf = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    names = ("DejaVuSans*.ttf", "DejaVuSerif*.ttf", "STIXGeneral*.ttf", "cmss10.ttf")
    files = sorted(f for name in names for f in ttf.glob(name))
    return [str(f) for f in files if "Display" not in f.name]


@lru_cache(maxsize=512)
def font_of(file, size):
    """A font; without a file Pillow's own."""
    return ImageFont.load_default(size) if file is None else ImageFont.truetype(file, size)


class Line(NamedTuple):
    """A credit line; lengths are shares of the photo's height."""

    text: str
    font: str | None  # a file; None is Pillow's own font
    size: float
    x: float
    below: float  # what is left free under it
    look: str = "plain"  # or "rim", "shadow", "hollow", "relief"
    spacing: float = 0.1  # between two lines, in letters
    light: int = 255
    dark: int = 30
    strength: float = 1.0
    stretch: float = 1.0  # of its width


def draw_line(image, line, high):
    """Draw a line into the lowest left corner, of a photo ``high`` pixels high; None if it is too long."""
    font = font_of(line.font, max(6, round(line.size * high, 1)))
    rim = max(1, round(high / 600))
    spacing = line.spacing * line.size * high
    wide = round(image.width / line.stretch)  # as it is before it is stretched
    box = ImageDraw.Draw(image).multiline_textbbox((0, 0), line.text, font, spacing=spacing)
    x, y = line.x * high / line.stretch - box[0] + rim, image.height - line.below * high - box[3]
    if x + box[2] > 0.98 * wide or y - rim + box[1] < 0:
        return None

    def letters(move=0, stroke=0):
        mask = Image.new("L", (wide, image.height))
        ImageDraw.Draw(mask).multiline_text(
            (x + move, y - rim + move), line.text, 255, font, spacing=spacing, stroke_width=stroke
        )
        return mask if wide == image.width else mask.resize(image.size, Image.Resampling.BILINEAR)

    def write(value, mask):
        colour = value if image.mode == "L" else (value,) * 3
        image.paste(colour, mask=mask.point(lambda v: int(v * line.strength)))

    below = image.copy()
    if line.look in ("rim", "hollow"):
        write(line.dark, letters(stroke=rim))
    if line.look == "shadow":
        write(line.dark, letters(move=rim))
    if line.look == "relief":
        write(line.dark, letters(move=rim))
        write(line.light, letters(move=-rim))
        image.paste(below, mask=letters())
    else:
        write(line.light, letters())
    if line.look == "hollow":
        grey = Image.new(image.mode, image.size, "#808080")
        below = Image.blend(below, grey, 0.4)
        image.paste(below, (rim, rim), letters().point(lambda v: 255 * (v > 200)))
    return image


def any_line(rng, files):
    """A line of any wording, font, look and place."""
    text = TEXTS[rng.integers(len(TEXTS))].format(rng.integers(2006, 2023))
    light, dark = int(rng.choice([255, rng.integers(150, 256)])), int(rng.integers(0, 90))
    if rng.random() < 0.07:
        light, dark = dark, light
    looks = ["plain", "rim", "shadow", "hollow", "relief"]
    return Line(
        text,
        None if rng.random() < 0.15 else files[rng.integers(len(files))],
        size=rng.uniform(0.018, 0.029) if "\n" in text else rng.uniform(0.017, 0.027),
        x=rng.uniform(0.002, 0.09),
        below=rng.uniform(0, 0.06),
        look=str(rng.choice(looks, p=[0.3, 0.15, 0.1, 0.3, 0.15])),
        spacing=rng.uniform(-0.1, 0.35),
        light=light,
        dark=dark,
        strength=float(rng.choice([1, 1, rng.uniform(0.55, 1)])),
        stretch=float(rng.choice([1, rng.uniform(0.82, 1.15)])),
    )


def noise(rng, power, stretch=1.0):
    """A field of noise whose amplitude falls with that power of the frequency; deviation 1."""
    down = np.fft.fftfreq(TALL)[:, None] * TALL
    right = np.fft.rfftfreq(WIDE)[None] * WIDE * stretch
    f = np.maximum(np.hypot(down, right), 4) ** -power
    field = np.fft.irfft2(f * np.fft.rfft2(rng.standard_normal((TALL, WIDE))), (TALL, WIDE))
    return (field - field.mean()) / field.std()


def canvas(values):
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def ground(rng):
    """Soil or the like: noise of any roughness, as strong as comes."""
    rough = noise(rng, rng.uniform(0.2, 1.6), rng.choice([1, 1, rng.uniform(0.3, 3)]))
    if rng.random() < 0.4:
        rough = np.exp(0.7 * rough) - 1
    return canvas(rng.uniform(40, 190) + rng.uniform(5, 45) * rough)


def leaves(rng):
    """Leaves or stones of all sizes, the nearer over the farther."""
    image, least, round_ = ground(rng), rng.uniform(2, 14), rng.random() < 0.6
    most = least * rng.uniform(3, 30)
    draw = ImageDraw.Draw(image)
    n = int(min(14000, 2.5 * WIDE * TALL / (np.pi * least**2 * 3)))
    # The density of radii falls with their third power, as of things in photos.
    radius = 1 / np.sqrt(rng.uniform(1 / most**2, 1 / least**2, n))
    base, spread, flat = rng.uniform(50, 170), rng.uniform(10, 60), rng.uniform(0.2, 1)
    lean = rng.uniform(0, np.pi), rng.choice([0.3, 1, 3])
    for r in radius:
        x, y, ink = rng.uniform(0, WIDE), rng.uniform(0, TALL), int(rng.normal(base, spread))
        ink = min(255, max(0, ink))
        turn, thin = rng.normal(*lean), flat * rng.uniform(0.5, 1.3)
        n_corners = 9 if round_ else int(rng.integers(3, 7))
        t = np.linspace(0, 2 * np.pi, n_corners, endpoint=False) + turn
        u, v = r * np.cos(t), r * thin * np.sin(t)
        px = x + u * np.cos(turn) - v * np.sin(turn)
        py = y + u * np.sin(turn) + v * np.cos(turn)
        draw.polygon(list(zip(px, py, strict=True)), ink)
    return image


def strokes(rng, image, n, long, wide, lean, base, spread, bend=0.2):
    """Draw curved strokes, each with a shaded side: blades, straw, twigs; later ones are lighter."""
    draw = ImageDraw.Draw(image)
    t = np.linspace(0, 1, 5)
    for i in range(n):
        x, y = rng.uniform(-50, WIDE + 50), rng.uniform(-50, TALL + 50)
        angle, length = rng.normal(*lean), long * rng.lognormal(0, 0.5)
        turn = angle + bend * rng.normal() * t
        px = x + np.cumsum(np.cos(turn)) * length / 5
        py = y - np.cumsum(np.sin(turn)) * length / 5
        ink = rng.normal(base * (0.6 + 0.5 * i / n), spread)
        thick = max(1, round(wide * rng.lognormal(0, 0.4)))
        dark = min(255, max(0, int(ink * rng.uniform(0.4, 0.8))))
        points = list(zip(px + 0.6 * thick, py + 0.3 * thick, strict=True))
        draw.line(points, dark, thick)
        draw.line(list(zip(px, py, strict=True)), min(255, max(0, int(ink))), thick)
    return image


def grass(rng):
    """Blades that stand or lie, in one or two layers."""
    image, base = ground(rng).point(lambda v: v // 2), rng.uniform(70, 190)
    for _ in range(int(rng.integers(1, 4))):
        wide = float(np.exp(rng.uniform(np.log(1.2), np.log(9))))
        long = wide * rng.uniform(8, 40)
        n = int(np.clip(1.2 * WIDE * TALL / (long * wide), 300, 5000))
        lean = np.pi / 2 + rng.normal(0, 0.6), rng.uniform(0.1, 0.9)
        strokes(rng, image, n, long, wide, lean, base, rng.uniform(8, 45), rng.uniform(0, 0.6))
    return image


def straw(rng):
    """Straws or twigs, any way, thick or thin, over something else."""
    image = (ground, leaves, grass)[rng.integers(3)](rng)
    wide = float(np.exp(rng.uniform(np.log(1), np.log(9))))
    n, long = int(rng.uniform(100, 2500)), wide * rng.uniform(6, 60)
    lean = rng.uniform(0, np.pi), rng.choice([0.1, 0.5, 3])
    return strokes(
        rng, image, n, long, wide, lean, rng.uniform(60, 240), rng.uniform(10, 50), bend=0.1
    )


def furrows(rng):
    """Rows of anything, straight or wavy, sharp or soft."""
    y, x = np.mgrid[:TALL, :WIDE]
    angle, gap = rng.uniform(0, np.pi), float(np.exp(rng.uniform(np.log(6), np.log(120))))
    along = x * np.cos(angle) + y * np.sin(angle) + gap * rng.uniform(0, 0.6) * noise(rng, 1.3)
    wave = np.cos(2 * np.pi * along / gap)
    wave = np.tanh(wave * rng.uniform(0.5, 5) + rng.normal(0, 0.7))
    rough = rng.uniform(2, 25) * noise(rng, rng.uniform(0.2, 1.4))
    return canvas(rng.uniform(60, 180) + rng.uniform(10, 70) * wave + rough)


def water(rng):
    """Ripples, drawn out one way, with glints, on a gradient; or sky."""
    slope = np.linspace(rng.uniform(40, 220), rng.uniform(40, 220), TALL)[:, None]
    drawn_out = rng.uniform(0.08, 0.5) ** rng.choice([-1, 1])
    ripples = noise(rng, rng.uniform(0.6, 1.6), drawn_out)
    values = slope + rng.choice([0, rng.uniform(2, 40)]) * ripples
    if rng.random() < 0.4:
        values = np.where(ripples > rng.uniform(1, 2.2), values + rng.uniform(20, 120), values)
    return canvas(values + rng.uniform(0, 4) * rng.standard_normal((TALL, WIDE)))


def pavement(rng):
    """Asphalt, gravel, slabs or bricks, with marks and kerbs at times."""
    image = ground(rng) if rng.random() < 0.6 else leaves(rng)
    draw = ImageDraw.Draw(image)
    if rng.random() < 0.6:  # joints
        gap, ink = rng.uniform(10, 120), int(rng.uniform(20, 230))
        thick, tall, shift = (
            int(rng.integers(1, 7)),
            gap * rng.uniform(0.3, 1.2),
            rng.choice([0, 0.5]),
        )
        for row, y in enumerate(np.arange(0, TALL, tall)):
            draw.line([(0, y), (WIDE, y)], ink, thick)
            for x in np.arange((row % 2) * shift * gap, WIDE, gap):
                draw.line([(x, y), (x, y + tall)], ink, thick)
    for _ in range(int(rng.integers(0, 6))):  # marks
        x, y, angle = rng.uniform(0, WIDE), rng.uniform(0, TALL), rng.uniform(0, np.pi)
        ink, dx, dy = int(rng.uniform(120, 256)), 900 * np.cos(angle), 900 * np.sin(angle)
        draw.line([(x - dx, y - dy), (x + dx, y + dy)], ink, int(rng.uniform(3, 60)))
    turn = rng.choice([0, rng.uniform(-30, 30)])
    return image.rotate(turn, Image.Resampling.BILINEAR, fillcolor=int(rng.uniform(60, 180)))


def demo(rng):
    """A demo photo, in grey."""
    seed = int(rng.integers(1 << 30))
    photos = _plan(12, seed)
    photo = photos[rng.integers(len(photos))]
    image = _view(photo, np.random.default_rng(seed), [seed, 1], WIDE + 60, TALL + 40)
    return image.crop((30, 20, WIDE + 30, TALL + 20)).convert("L")


def clutter(rng, image):
    """Rows of short strokes as high as letters: what looks like writing and is none."""
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(10, 60))):
        size, ink = rng.uniform(8, 50), int(rng.uniform(0, 256))
        x, y, thick = rng.uniform(0, WIDE), rng.uniform(0, TALL), max(1, round(size * 0.1))
        upright, spread = rng.uniform(0, np.pi), rng.choice([0.05, 0.4, 2])
        for _ in range(int(rng.integers(2, 14))):
            angle, long = rng.normal(upright, spread), size * rng.uniform(0.3, 1.1)
            dx, dy = long / 2 * np.cos(angle), long / 2 * np.sin(angle)
            if rng.random() < 0.25:
                start = rng.uniform(0, 360)
                box = (x - long / 3, y - long / 3, x + long / 3, y + long / 3)
                draw.arc(box, start, start + rng.uniform(60, 300), ink, thick)
            else:
                draw.line([(x - dx, y - dy), (x + dx, y + dy)], ink, thick)
            x, y = x + size * rng.uniform(0.3, 1.2), y + size * rng.normal(0, 0.25)
    return image


KINDS = (ground, leaves, leaves, grass, grass, grass, straw, straw, furrows, water, pavement, demo)


def drawing(rng):
    """A drawing of any kind, or of two that meet at an edge."""
    image = KINDS[rng.integers(len(KINDS))](rng)
    if rng.random() < 0.3:
        other = KINDS[rng.integers(len(KINDS))](rng)
        field = noise(rng, 2.2) if rng.random() < 0.5 else np.add.outer(
            np.arange(TALL) * rng.normal(), np.arange(WIDE) * rng.normal()
        )  # fmt: skip
        image.paste(other, mask=Image.fromarray(field > np.median(field)))
    if rng.random() < 0.25:
        image = clutter(rng, image)
    if rng.random() < 0.5:
        rough = np.exp(rng.uniform(0, 0.4) * noise(rng, rng.uniform(0.2, 1.4)))
        image = canvas(np.asarray(image) * rough)
    if rng.random() < 0.3:  # light and shade
        light = 1 + rng.uniform(0.1, 0.5) * np.tanh(noise(rng, 2) * rng.uniform(0.5, 4))
        image = canvas(np.asarray(image) * light)
    return image


def cut(drawings, rng):
    """A piece of a drawing at some scale, as large as the corner of a photo read at a reduced scale."""
    image, rows = drawings[rng.integers(len(drawings))], int(rng.integers(21, 44))
    size = round(rows * COLUMNS / ROWS), rows
    scale = float(np.exp(rng.uniform(np.log(1.3), np.log(7)))) * ROWS / rows
    wide, tall = size[0] * scale, size[1] * scale
    x, y = rng.uniform(0, WIDE - wide), rng.uniform(0, TALL - tall)
    how = (Image.Resampling.BOX, Image.Resampling.HAMMING, Image.Resampling.BILINEAR)
    piece = image.resize(size, how[rng.integers(3)], (x, y, x + wide, y + tall))
    if rng.random() < 0.3:
        sharp = ImageFilter.UnsharpMask(rng.uniform(0.6, 1.5), int(rng.uniform(40, 150)), 0)
        piece = piece.filter(sharp)
    return shrunk(np.asarray(piece))


def layer(rng, files):
    """A line as what it adds to a corner, and what it leaves of it."""
    factor, rows = int(rng.choice([1, 2, 4])), int(rng.integers(21, 44))
    size = round(rows * COLUMNS / ROWS * 1.2) * factor, rows * factor
    high, drawn = size[1] * 300 / ROWS, None
    while drawn is None:
        line = any_line(rng, files)
        drawn = draw_line(Image.new("L", size, 0), line, high)
    light = draw_line(Image.new("L", size, 255), line, high)
    columns = round(rows * COLUMNS / ROWS)
    black, white = (
        shrunk(np.asarray(image.reduce(factor))[:, :columns]) for image in (drawn, light)
    )
    return np.stack([black, (white - black) / 255])


def made(job):
    """Pieces of drawings and layers of lines, from a seed."""
    seed, n = job
    rng, files = np.random.default_rng([20061, seed]), fonts()
    _noise_tile()
    drawings = [drawing(rng) for _ in range(n // 50)]
    pieces = [cut(drawings, rng) for _ in range(n)]
    layers = [layer(rng, files) for _ in range(n // 4)]
    return np.stack(pieces).astype(np.float32), np.stack(layers).astype(np.float32)


def packed(values, quality):
    """Values as they are after they were packed as JPEG."""
    data = simplejpeg.encode_jpeg(
        np.ascontiguousarray(values.astype(np.uint8)[:, :, None]), quality, "GRAY", "GRAY"
    )
    return simplejpeg.decode_jpeg(data, "GRAY")[:, :, 0]


def samples(rng, pieces, layers, n):
    """Inputs of the network, lines over half of them, and which these are."""
    x = pieces[rng.integers(len(pieces), size=n)]
    x = np.where(rng.random((n, 1, 1)) < 0.5, x, x[:, :, ::-1])
    light, shift = rng.lognormal(0, 0.4, (n, 1, 1)), rng.normal(0, 30, (n, 1, 1))
    x = np.clip((x - 128) * light + 128 + shift, 0, 255)
    y = rng.random(n) < 0.5
    added, left = layers[rng.integers(len(layers), size=int(y.sum()))].swapaxes(0, 1)
    x[y] = added + left * x[y]
    grain = rng.choice([0, 1, 4], (n, 1, 1))
    x = np.clip(x + grain * rng.standard_normal(x.shape), 0, 255).astype(np.float32)
    for row in np.flatnonzero(rng.random(n) < 0.4):
        x[row] = packed(x[row], int(rng.integers(70, 96)))
    return np.stack([evened(corner) for corner in x]), y.astype(np.float32)


class Network(nn.Module):
    """Three layers of convolutions, over all places of a line."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 8, 5, stride=2)
        self.second = nn.Conv2d(8, 16, (3, 5), stride=(1, 2))
        self.third = nn.Conv2d(16, 24, (3, 7))
        self.last = nn.Conv2d(24, 1, 1)
        self.norms = nn.ModuleList(nn.BatchNorm2d(n) for n in (8, 16, 24))
        nn.init.constant_(self.last.bias, -5)  # 120 places add up to about even odds

    def forward(self, x):
        """The log odds of a line, by place."""
        x = x[:, None]
        for layer, norm in zip((self.first, self.second, self.third), self.norms, strict=True):
            x = torch.relu(norm(layer(x)))
        return self.last(x).flatten(1)

    def folded(self):
        """The same without normalisation, as what is stored knows none."""
        for i, name in enumerate(("first", "second", "third")):
            setattr(self, name, fuse_conv_bn_eval(getattr(self, name), self.norms[i]))
            self.norms[i] = nn.Identity()
        return self


def fit(pieces, layers, epochs=24, n=20_000, size=128):
    """Train a network, on other samples in every epoch."""
    torch.manual_seed(1)
    network = Network()
    network = network.to(memory_format=torch.channels_last)  # a third faster
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 1e-2, total_steps=epochs * (n // size)
    )
    for epoch in range(epochs):
        total, rng = 0.0, np.random.default_rng([20062, epoch])
        x, y = (torch.from_numpy(part) for part in samples(rng, pieces, layers, n))
        for i in range(0, n // size * size, size):
            score = torch.logsumexp(network(x[i : i + size]), 1)
            loss = nn.functional.binary_cross_entropy_with_logits(score, y[i : i + size])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        print(f"epoch {epoch + 1}: loss {total * size / n:.4f}", flush=True)
    return network.eval().folded()


def rounded(network):
    """Put weights to half precision, as they are stored; the last bias stays as it is."""
    for name, tensor in network.state_dict().items():
        if name != "last.bias":
            tensor.copy_(tensor.half().float())


def put_edge(network, x, y):
    """Move the last bias so that the edge between line and none is 0; say what is seen then."""
    with torch.no_grad():
        # The sum over all places, by which it learnt, takes longer than the surest one and tells no more.
        score = np.concatenate([network(part).amax(1) for part in torch.from_numpy(x).split(1000)])
        edge = float(np.quantile(score[y == 0], 1 - FALSE_ALARMS))
        network.last.bias -= edge
    hits = np.mean(score[y == 1] > edge)
    print(f"edge {edge:.2f}: false alarms {FALSE_ALARMS:.1%}, lines seen {hits:.1%}")


def main(path, n=12_000):
    """Draw, train, choose the edge, write."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    with ProcessPoolExecutor(4) as pool:
        parts = list(pool.map(made, [(seed, n // 10) for seed in range(13)]))
    train, held = (
        [np.concatenate(part) for part in zip(*half, strict=True)]
        for half in (parts[:10], parts[10:])
    )
    network = fit(*train)
    rounded(network)
    put_edge(network, *samples(np.random.default_rng(20063), *held, 40_000))
    tensors = {k: np.ascontiguousarray(v.numpy()) for k, v in network.state_dict().items()}
    save_file(
        {k: v if k == "last.bias" else v.astype(np.float16) for k, v in tensors.items()}, path
    )


if __name__ == "__main__":
    main(sys.argv[1])

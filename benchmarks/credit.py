"""What hiding the survey's credit line costs, and whether it hides the year.

    python benchmarks/credit.py seen           # is a line seen where one stands, and only there?
    python benchmarks/credit.py cost [arch]    # accuracy on photos that carry none
    python benchmarks/credit.py year           # can a model tell the year?
    python benchmarks/credit.py speed          # processor time, of one thread

needs the folder LUCAS_SHARED (default ../shared) with data/scenes, data/lucas and, for Xception, weights,
which is not part of the repository; none of it was used in making the detector.
"""

import io
import os
import sys
import tempfile
import time
from pathlib import Path

import gradio
import numpy as np
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, cohen_kappa_score
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import lucas_habitat as lh
from lucas_habitat.engines import choose_target, make_runner
from lucas_habitat.images import credit_line, decode, drawn
from lucas_habitat.networks.backbones import load_backbone

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
from make_credit_detector import Line, any_line, draw_line, fonts

SHARED = Path(os.environ.get("LUCAS_SHARED", Path(__file__).parents[2] / "shared"))
KEEP, MASK, HIDE = (decode.Preprocessing(credit=c) for c in ("keep", "mask", "hide"))


def jpeg(image, quality=85):
    data = io.BytesIO()
    image.save(data, "JPEG", quality=quality)
    return data.getvalue()


def enlarged(path, size=(1200, 900)):
    """A scene of 128 x 128 pixels as large as a photo, with a camera's grain."""
    image = Image.open(path).convert("RGB").resize(size, Image.Resampling.BICUBIC)
    rng = np.random.default_rng(len(Path(path).name))
    grain = rng.normal(0, 4, (size[1], size[0], 1))
    return Image.fromarray((np.asarray(image) + grain).clip(0, 255).astype(np.uint8))


def with_line(image, line):
    """A photo with a line burnt in at the lowest left."""
    high, wide = image.height, round(image.height * 0.45)
    corner = image.crop((0, round(0.88 * high), wide, high))
    result = image.copy()
    result.paste(draw_line(corner, line, high), (0, round(0.88 * high)))
    return result


def is_changed(data, size=224):
    """Whether a line was seen: whether hiding it changes anything."""
    how = {"size": size, "decoder": "simplejpeg"}
    kept, hidden = (
        decode.decode_photo(data, decode.Preprocessing(credit=c, **how)) for c in ("keep", "hide")
    )
    return bool((kept != hidden).any())


def share(flags):
    flags = np.asarray(flags)
    return f"{int(flags.sum())} of {len(flags)}"


def drawn_photos(folder, size, has_line, n_points=40):
    """Demo photos, with their line or, drawn the same otherwise, without."""
    credit = drawn._credit
    if not has_line:
        drawn._credit = lambda year, high: Image.new("LA", credit(year, high).size)
    try:
        lh.draw_demo_photos(folder, n_points=n_points, size=size, seed=5, progress=False)
    finally:
        drawn._credit = credit
    photos = [p.read_bytes() for p in sorted(Path(folder).rglob("*.jpg"))]
    return [data for data in photos if is_whole(data)]


def is_whole(data):
    try:
        decode.decode_photo(data, KEEP)
    except lh.errors.PhotoError:
        return False
    return True


def unknown_fonts():
    """Files of fonts that the detector was not made with: gradio's, where they write Latin."""
    folder = Path(gradio.__file__).parent / "templates" / "frontend" / "static" / "fonts"
    files = sorted(str(f) for f in folder.glob("*/*.woff2"))
    return [f for f in files if Path(f).stem.startswith(("IBMPlexSans", "SourceSansPro"))]


def forms():
    """Lines as the survey wrote them in four years, near enough, in fonts that are at hand."""
    files = {Path(f).stem: f for f in [*fonts(), *unknown_fonts()]}
    sans, bold = files["DejaVuSans"], files["DejaVuSans-Bold"]
    return {
        2006: Line("© Eurostat LUCAS 2006", sans, 0.0235, 0.076, 0.052, "hollow", light=150),
        2009: Line("© Eurostat LUCAS 2009", bold, 0.0175, 0.002, 0.006, "rim", light=205, dark=60),
        2015: Line("© European Union\nLUCAS 2015", files["SourceSansPro-Regular"], 0.0235, 0.014, 0.016,
                   spacing=0.05),
        2018: Line("© European Union\nLUCAS 2018", sans, 0.021, 0.016, 0.012, spacing=0.15, light=235),
    }  # fmt: skip


def seen():
    """The detector: lines seen where they stand, and where there are none."""
    print("lines that stand there, by pixels of the model's input")
    survey = sorted((SHARED / "data" / "lucas" / "photos").rglob("*.jpg"))
    for year in (2006, 2009, 2015, 2018):
        photos = [p.read_bytes() for p in survey if f"/{year}/" in p.as_posix()]
        sizes = (128, 160, 224, 299, 448)
        found = ", ".join(f"{s}: {share([is_changed(d, s) for d in photos])}" for s in sizes)
        print(f"  real photos of {year}: {found}")
    scenes = sorted((SHARED / "data" / "scenes").rglob("*.jpg"))
    with tempfile.TemporaryDirectory() as folder:
        for size in ((1600, 1200), (640, 480), (400, 300), (320, 240)):
            place = f"{folder}/{size[0]}"
            having = drawn_photos(f"{place}-with", size, has_line=True)
            without = drawn_photos(f"{place}-without", size, has_line=False)
            print(f"  drawn demo photos {size[0]} x {size[1]}: with a line "
                  f"{share([is_changed(d) for d in having])}, without "
                  f"{share([is_changed(d) for d in without])}")  # fmt: skip
    for year, line in forms().items():
        found = [is_changed(jpeg(with_line(enlarged(p), line))) for p in scenes[::4]]
        print(f"  enlarged scenes, a line as in {year}: {share(found)}")
    rng, files = np.random.default_rng(1), unknown_fonts()
    for strength in (1.0, 0.7, 0.5):
        found = []
        for path in scenes[::2]:
            line, image = any_line(rng, files)._replace(strength=strength), enlarged(path)
            while draw_line(image.crop((0, 792, 405, 900)), line, 900) is None:
                line = any_line(rng, files)._replace(strength=strength)
            found.append(is_changed(jpeg(with_line(image, line))))
        print(f"  enlarged scenes, any wording, unknown fonts, opacity {strength}: {share(found)}")
    print("false alarms")
    data = [p.read_bytes() for p in scenes]
    print(f"  scenes: {share([is_changed(d) for d in data])}")
    mirrored = [jpeg(Image.open(p).transpose(Image.Transpose.FLIP_LEFT_RIGHT), 95) for p in scenes]
    print(f"  scenes, mirrored: {share([is_changed(d) for d in mirrored])}")
    print(f"  scenes, enlarged: {share([is_changed(jpeg(enlarged(p))) for p in scenes])}")
    flipped = [jpeg(Image.open(p).transpose(Image.Transpose.FLIP_LEFT_RIGHT), 95) for p in survey]
    print(f"  real LUCAS photos, mirrored (the line is then at the right): "
          f"{share([is_changed(d) for d in flipped])}")  # fmt: skip


def features(arrays, arch):
    backbone = load_backbone(arch, size=len(arrays[0]))
    target = choose_target("auto", "auto")
    run = make_runner(backbone, target)
    parts = [np.stack(arrays[i : i + 32]) for i in range(0, len(arrays), 32)]
    return np.concatenate([run(part) for part in parts])


def predictions(x, y, seed):
    """Predicted classes of a five-fold cross-validation."""
    found = np.empty(len(y), object)
    for fit, test in StratifiedKFold(5, shuffle=True, random_state=seed).split(x, y):
        head = make_pipeline(StandardScaler(), LogisticRegression(C=0.003, max_iter=300))
        found[test] = head.fit(x[fit], y[fit]).predict(x[test])
    return found.astype(str)


def interval(y, ours, theirs, n_boot=500):
    """95 % interval of a difference in kappa over photos, the mean over seeds."""
    rng, values = np.random.default_rng(1), []
    for _ in range(n_boot):
        rows = rng.integers(0, len(y), len(y))
        values.append(np.mean([cohen_kappa_score(y[rows], a[rows]) - cohen_kappa_score(y[rows], b[rows])
                               for a, b in zip(ours, theirs, strict=True)]))  # fmt: skip
    return np.quantile(values, [0.025, 0.975])


def cost(arch="efficientnet_lite0", seeds=range(10)):
    """Kappa on scenes that carry no line, and on the same with one drawn in."""
    os.environ.setdefault("LUCAS_HABITAT_WEIGHTS", str(SHARED / "weights"))
    scenes = lh.list_photos(SHARED / "data" / "scenes")
    y = scenes["habitat"].to_numpy().astype(str)
    data = [Path(p).read_bytes() for p in scenes["path"]]
    images = [Image.open(io.BytesIO(d)).convert("RGB") for d in data]
    for image in images:
        credit_line.fill_corner(image)
    filled = [decode._fit(image, KEEP) for image in images]
    ways = {
        "keep": [decode.decode_photo(d, KEEP) for d in data],
        "mask": [decode.decode_photo(d, MASK) for d in data],
        "hide": [decode.decode_photo(d, HIDE) for d in data],
        "hide, had every photo a line": filled,
    }
    print(f"{arch}: {len(y)} scenes, five folds, {len(seeds)} seeds, logistic head")
    found = {}
    for name, arrays in ways.items():
        x = features(arrays, arch)
        found[name] = [predictions(x, y, seed) for seed in seeds]
        kappa = np.mean([cohen_kappa_score(y, p) for p in found[name]])
        accuracy = np.mean([accuracy_score(y, p) for p in found[name]])
        low, high = interval(y, found[name], found["keep"])
        print(f"  {name}: accuracy {accuracy:.3f}, kappa {kappa:.3f}, less keep's {low:+.3f} to {high:+.3f}",
              flush=True)  # fmt: skip


def year(arch="efficientnet_lite0"):
    """Accuracy in telling which of two years' lines was drawn on scenes; chance is 0.5."""
    scenes = sorted((SHARED / "data" / "scenes").rglob("*.jpg"))
    lines = forms()
    for pair in ((2009, 2018), (2006, 2015)):
        which = np.random.default_rng(1).permutation(len(scenes)) % 2
        data = [
            jpeg(with_line(enlarged(p), lines[pair[w]])) for p, w in zip(scenes, which, strict=True)
        ]
        y = np.where(which, *map(str, pair))
        for size in (224, 320):
            for credit in ("keep", "mask", "hide"):
                how = decode.Preprocessing(size=size, credit=credit)
                x = features([decode.decode_photo(d, how) for d in data], arch)
                told = [accuracy_score(y, predictions(x, y, seed)) for seed in range(3)]
                print(f"  {pair[0]} or {pair[1]}, {size} pixels, {credit}: accuracy {np.mean(told):.3f}",
                      flush=True)  # fmt: skip


def speed(rounds=15):
    """Processor time a photo that hiding adds, photo by photo, as a share of classifying it with Lite0."""
    with tempfile.TemporaryDirectory() as folder:
        having = drawn_photos(f"{folder}/with", (1600, 1200), has_line=True, n_points=12)
        without = drawn_photos(f"{folder}/without", (1600, 1200), has_line=False, n_points=12)
    survey = sorted((SHARED / "data" / "lucas" / "photos").rglob("*.jpg"))
    real = [p.read_bytes() for p in survey]
    print(f"load {os.getloadavg()[0]:.1f}")
    kinds = {"drawn, with a line": having, "drawn, without": without, "real, with a line": real}
    for precision in ("float32", "auto"):
        target = choose_target("cpu", precision)
        run = make_runner(load_backbone("efficientnet_lite0"), target)
        for name, data in kinds.items():
            network = network_time(run, [decode.decode_photo(d, KEEP) for d in data])
            keep, extra = paired_times(data, rounds)
            whole = keep + network
            print(f"  {target.precision}, {name}: {whole:.2f} ms a photo with keep (reading {keep:.2f}), "
                  f"hide {extra:+.3f} ms, {extra / whole:+.1%}", flush=True)  # fmt: skip


def paired_times(data, rounds):
    """Milliseconds of reading a photo with keep, and what hide adds; alternated photo by photo, medians."""
    took = np.empty((rounds, len(data), 2))
    for row in range(rounds):
        for column, photo in enumerate(data):
            # Which comes first alternates: the second finds the photo in the processor's cache.
            for how in (KEEP, HIDE) if (row + column) % 2 else (HIDE, KEEP):
                start = time.thread_time()
                decode.decode_photo(photo, how)
                took[row, column, int(how is HIDE)] = (time.thread_time() - start) * 1000
    return np.median(took[..., 0]), np.median(took[..., 1] - took[..., 0])


def network_time(run, arrays, rounds=5):
    """Milliseconds of the network a photo, of whatever threads it takes; the median."""
    batch, took = np.stack(arrays), []
    run(batch)
    for _ in range(rounds):
        start = time.process_time()
        run(batch)
        took.append((time.process_time() - start) * 1000 / len(batch))
    return np.median(took)


if __name__ == "__main__":
    steps = {"seen": seen, "cost": cost, "year": year, "speed": speed}
    step, *given = sys.argv[1:] or [""]
    if step not in steps:
        sys.exit(__doc__)
    steps[step](*given)

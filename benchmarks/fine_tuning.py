"""What fine-tuning a network gains over a head on its frozen features, and costs: real scenes, Lite0.

    python benchmarks/fine_tuning.py [--epochs 3]

Three folds of the scenes in LUCAS_SHARED (default ../shared), which are not part of the repository; the same
folds for both. About half an hour of two cores.
"""

import argparse
import os
import time
import warnings
from pathlib import Path

import lucas_habitat as lh

SHARED = Path(os.environ.get("LUCAS_SHARED", Path(__file__).parents[2] / "shared"))


def main() -> None:
    """Print accuracy and seconds of both, and their difference with its interval."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=3, help="of fine-tuning")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    photos = lh.list_photos(SHARED / "data" / "scenes")
    predictions = {}
    for name, training in (
        ("frozen", {}),
        ("fine-tuned", {"freeze_backbone": False, "epochs": options.epochs}),
    ):
        start, cpu = time.perf_counter(), time.process_time()
        predictions[name] = lh.cross_validate(
            photos, folds=3, arch="efficientnet_lite0", training=training, progress=False
        )
        seconds = time.perf_counter() - start, time.process_time() - cpu
        result = lh.evaluate(predictions[name])
        print(
            f"{name}: {seconds[0]:.0f} s, {seconds[1]:.0f} s of processor time; accuracy "
            f"{result.overall_accuracy:.3f}, kappa {result.kappa:.3f}, log loss {result.log_loss:.3f}",
            flush=True,
        )
    print(lh.compare(predictions["frozen"], predictions["fine-tuned"]))


if __name__ == "__main__":
    main()

"""What lucas-habitat is compared with: the pilot written down plainly in PyTorch, and in Keras.

    python benchmarks/plain.py torch|keras classify|train N_PHOTOS LIST_FILE ARCH WORKERS

prints the seconds of one pass (classify) or one epoch (train) over the photos of LIST_FILE, a text
file with a path and a class in each line, start-up left out. ARCH and WORKERS are torch's.
"""

import sys
import time
from pathlib import Path


def read_list(file, n):
    lines = Path(file).read_text(encoding="utf-8").splitlines()[:n]
    return [line.rsplit("\t", 1) for line in lines]


def run_torch(task, photos, arch, workers):
    """A Dataset with Pillow, a DataLoader, a timm network in float32: no cache, nothing clever."""
    import timm
    import torch
    from PIL import Image
    from torch import nn
    from torchvision import transforms

    class Photos(torch.utils.data.Dataset):
        to_tensor = transforms.Compose([transforms.Resize((224, 224)), transforms.ToTensor()])

        def __len__(self):
            return len(photos)

        def __getitem__(self, i):
            path, label = photos[i]
            return self.to_tensor(Image.open(path).convert("RGB")), int(label)

    network = timm.create_model(arch, pretrained=False, num_classes=0).eval()
    network.requires_grad_(False)
    head = nn.Sequential(
        nn.Linear(network.num_features, 1024), nn.ReLU(), nn.Dropout(0.2), nn.Linear(1024, 4)
    )
    loader = torch.utils.data.DataLoader(
        Photos(), batch_size=32, shuffle=task == "train", num_workers=workers
    )
    network(torch.zeros(2, 3, 224, 224))
    start = time.perf_counter()
    if task == "classify":
        with torch.inference_mode():
            for batch, _ in loader:
                head(network(batch)).softmax(1).numpy()
    else:
        optimizer = torch.optim.Adam(head.parameters())
        loss_of = nn.CrossEntropyLoss()
        for batch, labels in loader:
            optimizer.zero_grad()
            loss_of(head(network(batch)), labels).backward()
            optimizer.step()
    return time.perf_counter() - start


def run_keras(task, photos):
    """The pilot's recipe as Keras' own guides write it: tf.data, Keras' Xception, fit and predict."""
    import keras
    import numpy as np
    import tensorflow as tf

    def load(path, label):
        photo = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
        return tf.image.resize(photo, (224, 224)) / 255, label

    paths, labels = zip(*photos, strict=True)
    data = tf.data.Dataset.from_tensor_slices((list(paths), np.array(labels, dtype="int64")))
    data = data.map(load, num_parallel_calls=tf.data.AUTOTUNE)
    data = data.batch(32).prefetch(tf.data.AUTOTUNE)
    # Random weights take as long as trained ones.
    base = keras.applications.Xception(
        weights=None, include_top=False, pooling="avg", input_shape=(224, 224, 3)
    )
    base.trainable = False
    model = keras.Sequential(
        [
            base,
            keras.layers.Dense(1024, activation="relu"),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(4, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    first = data.take(1)  # compiling is left out
    if task == "classify":
        model.predict(first, verbose=0)
        start = time.perf_counter()
        model.predict(data, verbose=0)
    else:
        model.fit(first, epochs=1, verbose=0)
        start = time.perf_counter()
        model.fit(data, epochs=1, verbose=0)
    return time.perf_counter() - start


if __name__ == "__main__":
    library, task, n, file, arch, workers = sys.argv[1:]
    chosen = read_list(file, int(n))
    if library == "torch":
        print(run_torch(task, chosen, arch, int(workers)))
    else:
        print(run_keras(task, chosen))

"""Fine-tuning on a Ray cluster: the model of one machine, whatever is killed meanwhile."""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import write_photos

from lucas_habitat import classify, list_photos, load_model, save_model, train
from lucas_habitat.errors import DependencyError, InputError
from lucas_habitat.networks import fitting
from lucas_habitat.networks.backbones import Backbone
from lucas_habitat.networks.crew import Crew

pytestmark = [
    pytest.mark.filterwarnings("ignore::lucas_habitat.errors.LucasMessage"),
    pytest.mark.usefixtures("quiet_ray"),
]

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None and not os.environ.get("LUCAS_FORCE_TESTS"),
    reason="Ray is not installed",
)
TUNE = {
    "recipe": "finetune",
    "arch": "efficientnet_lite0",
    "epochs": 3,
    "batch_size": 8,
    "target_size": 160,
    "validation_split": 0.34,
}


def test_training_on_a_cluster_is_asked_for_as_a_whole(parts):
    photos = parts[0]
    with pytest.raises(InputError, match=r"engine='ray' trains whole .* recipe='finetune'"):
        train(photos, engine="ray")
    with pytest.raises(InputError, match="engine='ray' trains whole networks"):
        train(photos, recipe="recommended", engine="ray")
    with pytest.raises(InputError, match=r"address= are for a Ray cluster; give engine='ray' too"):
        train(photos, address="auto")
    with pytest.raises(InputError, match=r"checkpoints= are for a Ray cluster"):
        train(photos, recipe="finetune", checkpoints="kept")
    with pytest.raises(InputError, match="needs a folder that all its machines see"):
        train(photos, recipe="finetune", engine="ray", address="auto")
    with pytest.raises(InputError, match="engine must be one of"):
        train(photos, recipe="finetune", engine="spark")


def test_without_ray_it_is_said_how_to_get_it(parts, monkeypatch):
    there = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "ray" else there(name, *a)
    )
    with pytest.raises(DependencyError, match=r"pip install 'lucas-habitat\[cluster\]'"):
        train(parts[0], engine="ray", **TUNE)


@needs_ray
def test_an_address_where_nothing_answers_is_refused(parts, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    with pytest.raises(InputError, match=f"no Ray cluster at address='{address}'"):
        train(parts[0], engine="ray", address=address, checkpoints=tmp_path / "kept", **TUNE)


class _Half(Crew):
    """One of two, alone in this process: what it computes is before the other's gradients come in."""

    size = 2

    def __init__(self, rank):
        self.rank = rank

    def part(self, rows):
        return np.array_split(rows, 2)[self.rank]


def tiny_network():
    """A network of few weights on photos of 32 pixels."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = torch.nn.Sequential(
            torch.nn.Conv2d(3, 4, 8, 8), torch.nn.ReLU(), torch.nn.Flatten()
        )
    spec = {"mean": [0.0] * 3, "std": [1.0] * 3, "size": 32, "num_features": 64}
    return Backbone(network, spec).eval()


@pytest.mark.parametrize("balance", ["none", "weights"])
def test_workers_that_share_a_batch_take_its_step(balance, monkeypatch):
    from torchvision.transforms import v2

    monkeypatch.setattr(v2, "Compose", lambda parts: lambda photo: photo)
    photos = np.random.default_rng(1).integers(0, 255, (9, 32, 32, 3), np.uint8)
    labels = np.array([0, 0, 0, 0, 0, 0, 1, 1, 2])
    rows = fitting.LabelledRows(np.arange(9), np.arange(0), labels, np.arange(9), ["a", "b", "c"])
    settings = fitting.TrainingSettings("finetune", False, 0.0, 1, 7, 0.001, balance, 1)
    chosen = torch.tensor([8, 1, 6, 0, 3, 7, 2])  # the first takes four of them, the second three

    def step_of(crew):
        network = fitting.whole_network(tiny_network(), 3, settings)
        step = fitting._network_step(
            network, lambda r: photos[r], rows, 32, 0.001, fitting._weights(rows, settings), crew
        )
        scores = step(chosen)
        return np.array(scores), [p.grad for p in network.parameters()]

    scores, gradients = step_of(Crew())
    halves = [step_of(_Half(rank)) for rank in (0, 1)]
    np.testing.assert_allclose(halves[0][0] + halves[1][0], scores, rtol=1e-6)
    for whole, *both in zip(gradients, *(half[1] for half in halves), strict=True):
        assert whole.abs().max() > 0
        torch.testing.assert_close((both[0] + both[1]) / 2, whole)


@needs_ray
def test_workers_are_the_cores_or_gpus_each_with_photos_of_every_batch():
    from lucas_habitat.cluster.connection import Cluster
    from lucas_habitat.cluster.training_job import _workers

    assert _workers(Cluster(160, 0, False), 32, "cpu") == (32, 1, 0)
    assert _workers(Cluster(2, 0, True), 32, "cpu") == (2, 1, 0)
    assert _workers(Cluster(64, 4, False), 32, "cpu") == (32, 1, 0)
    assert _workers(Cluster(64, 4, False), 32, "cuda:0") == (4, 16, 1)
    assert _workers(Cluster(64, 4, False), 3, "cuda:0") == (3, 16, 1)
    with pytest.raises(InputError, match="no cores to train on"):
        _workers(Cluster(0, 0, False), 32, "cpu")


@needs_ray
def test_steps_are_counted_over_all_starts(tmp_path):
    from lucas_habitat.cluster.training_job import _Steps
    from lucas_habitat.cluster.training_worker import STEPS, RayCrew

    assert _Steps.read(tmp_path) == (0, 0, 0)

    def crew(has_history):
        one = object.__new__(RayCrew)
        one._folder, one._has_history, one._has_started = tmp_path, has_history, False
        return one

    first = crew(False)
    for done in (0, 1, 2, 3, 4, 5):
        first.tell(done, 12, "training")
    assert _Steps.read(tmp_path) == (5, 1, 5)
    again = crew(True)  # of epochs of four steps the first was kept
    for done in (0, 4, *range(5, 13)):
        again.tell(done, 12, "training")
    assert _Steps.read(tmp_path) == (12, 2, 13)
    with (tmp_path / STEPS).open("a") as file:
        file.write("1")  # half a line
    assert _Steps.read(tmp_path) == (12, 2, 13)


@needs_ray
def test_an_optimizer_goes_on_from_what_is_kept_of_it():
    from lucas_habitat.cluster.training_worker import _restore, _state_of

    def trained(optimizer, weight, steps):
        for _ in range(steps):
            optimizer.zero_grad()
            (weight**2).sum().backward()
            optimizer.step()

    def begun(values):
        weight = torch.nn.Parameter(torch.tensor(values))
        return torch.optim.Adam([weight], lr=0.1, eps=1e-7), weight

    optimizer, weight = begun([1.0, -2.0])
    trained(optimizer, weight, 3)
    later, other = begun(weight.tolist())
    _restore(later, {name: value.copy() for name, value in _state_of(optimizer).items()})
    trained(optimizer, weight, 2)
    trained(later, other, 2)
    assert torch.equal(weight, other)


@pytest.fixture(scope="module")
def cluster():
    """A machine of one core, as far as Ray can tell; tests add others."""
    from ray.cluster_utils import Cluster

    one = Cluster(
        initialize_head=True,
        head_node_args={
            "num_cpus": 1,
            "object_store_memory": 100_000_000,
            "include_dashboard": False,
        },
    )
    yield one
    one.shutdown()


@pytest.fixture(scope="module")
def few_photos(tmp_path_factory):
    """A table of photos, a point of each class with the next one's label: else nothing is to calibrate."""
    folder = tmp_path_factory.mktemp("few")
    photos = list_photos(write_photos(folder / "photos", n_points=6))
    classes = sorted(set(photos["habitat"]))
    points = photos.groupby("habitat", observed=True)["point_id"].first()
    is_wrong = photos["point_id"].isin(points)
    following = dict(zip(classes, [*classes[1:], classes[0]], strict=True))
    photos["habitat"] = (
        photos["habitat"]
        .astype("str")
        .where(~is_wrong, photos["habitat"].astype("str").map(following))
    )
    photos.to_csv(folder / "photos.csv", index=False)
    return folder / "photos.csv"


@pytest.fixture(scope="module")
def tuned_here(few_photos):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield train(few_photos, progress=False, **TUNE)
    torch.set_num_threads(threads)


def weights_of(model):
    # In one order: a saved model's weights are sorted by name.
    state = sorted(model.backbone.state.items())
    return np.concatenate([value.ravel() for _, value in state if value.dtype == "f4"])


def train_workers():
    """The processes of this test's cluster that train."""
    from test_cluster import descendants

    return [p for p, name in descendants(os.getpid()).items() if "RayTrainWorker" in name]


@needs_ray
@pytest.mark.slow
def test_one_worker_comes_to_the_model_of_one_machine(few_photos, tuned_here, cluster, tmp_path):
    told = []
    kept = tmp_path / "kept på ø"
    model = train(
        few_photos,
        engine="ray",
        address=cluster.address,
        checkpoints=kept,
        progress=lambda *what: told.append(what),
        **TUNE,
    )
    np.testing.assert_allclose(model.history, tuned_here.history, rtol=1e-4)
    np.testing.assert_allclose(weights_of(model), weights_of(tuned_here), atol=1e-5)
    assert model.temperature == pytest.approx(tuned_here.temperature, rel=1e-3)
    cluster_card = model.training["cluster"]
    assert cluster_card["workers"] == 1
    assert (cluster_card["restarts"], cluster_card["steps_repeated"]) == (0, 0)
    rest = {k: v for k, v in model.training.items() if k != "cluster"}
    assert rest == tuned_here.training
    assert ((0, 12, "training") in told, (12, 12, "training") in told) == (True, True)
    assert not list(kept.iterdir())
    # An ordinary model, which knows how it was trained.
    again = load_model(save_model(model, tmp_path / "model"))
    assert again.training["cluster"] == cluster_card
    predictions = [classify(few_photos, m, progress=False) for m in (again, tuned_here)]
    assert (predictions[0]["predicted"] == predictions[1]["predicted"]).all()


@needs_ray
@pytest.mark.slow
def test_what_is_wrong_with_a_training_is_said_and_not_tried_again(few_photos, cluster, tmp_path):
    with pytest.raises(InputError, match="Training diverged in epoch 1"):
        train(
            few_photos,
            engine="ray",
            address=cluster.address,
            checkpoints=tmp_path / "kept",
            progress=False,
            **TUNE | {"learning_rate": 1e30},
        )
    (folder,) = (tmp_path / "kept").iterdir()
    assert (folder / "steps.txt").read_text().count("start") == 1


@needs_ray
@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="workers are told by /proc")
def test_workers_and_drivers_that_are_killed_cost_what_came_after_the_last_epoch(
    few_photos, tuned_here, cluster, tmp_path
):
    from test_cluster import until

    cluster.add_node(num_cpus=1, object_store_memory=100_000_000)
    where = {"engine": "ray", "address": cluster.address}
    unbroken = train(few_photos, **where, checkpoints=tmp_path / "kept", progress=False, **TUNE)
    assert unbroken.training["cluster"]["workers"] == 2
    # Of the same batches; only augmentation and dropout are drawn by each worker for itself.
    assert unbroken.history["loss"].is_monotonic_decreasing
    shares = [
        classify(few_photos, m, progress=False).filter(like="p_").to_numpy()
        for m in (unbroken, tuned_here)
    ]
    assert np.abs(shares[0] - shares[1]).mean() < 0.1

    command = [sys.executable, "-m", "lucas_habitat.cli", "train", str(few_photos)]
    command += [f"--{k.replace('_', '-')}={v}" for k, v in TUNE.items()]
    command += ["--engine=ray", f"--address={cluster.address}", f"--checkpoints={tmp_path / 'cut'}"]
    command += ["--out", str(tmp_path / "model")]

    def start():
        return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def steps():
        files = list((tmp_path / "cut").glob("*/steps.txt"))
        return files[0].read_text().splitlines() if files else []

    def starts():
        return [int(line.split()[1]) for line in steps() if line.startswith("start")]

    def is_kept(epoch):
        """Whether Ray has noted the checkpoint of an epoch, for which it looks every two seconds."""
        notes = list((tmp_path / "cut").glob("*/checkpoint_manager_snapshot.json"))
        return bool(notes) and f"epoch-{epoch:06d}" in notes[0].read_text()

    # A worker is lost after the first epoch of four steps, then the driver after the second.
    driver = start()
    until(lambda: is_kept(1) and len(steps()) >= 6, driver)
    os.kill(train_workers()[0], signal.SIGKILL)
    until(lambda: len(starts()) == 2 and is_kept(2) and int(steps()[-1].split()[-1]) >= 9, driver)
    assert starts()[0] == 0
    assert starts()[1] >= 4
    driver.send_signal(signal.SIGKILL)
    driver.communicate()
    until(lambda: not train_workers())
    driver = start()
    out, said = driver.communicate(timeout=300)
    assert driver.returncode == 0, said
    assert "trained by 2 workers of Ray" in out
    assert not list((tmp_path / "cut").iterdir())
    model = load_model(Path(tmp_path / "model"))
    card = model.training["cluster"]
    assert card["restarts"] == 2
    assert 1 <= card["steps_repeated"] <= (12 - 4) + (12 - 8)
    np.testing.assert_array_equal(weights_of(model), weights_of(unbroken))
    np.testing.assert_array_equal(model.history, unbroken.history)

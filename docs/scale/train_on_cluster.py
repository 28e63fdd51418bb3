"""Fine-tuning on the Ray cluster whose head this is: train_on_cluster.py PHOTOS CHECKPOINTS MODEL."""

import sys

from lucas_habitat import save_model, train

if __name__ == "__main__":
    photos, checkpoints, model = sys.argv[1:]
    trained = train(
        photos,
        recipe="finetune",
        validation_split=0.2,
        engine="ray",
        address="auto",
        checkpoints=checkpoints,
    )
    print(save_model(trained, model))

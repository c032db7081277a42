"""A process that fits a small network, to be killed, stopped, or shared with others.

    python -m tests.training.fitting.fit_child FOLDER STRATEGY [KEY=VALUE ...]

It prints `step EPOCH STEP` as it goes, and writes the weights it ends with to FOLDER/weights-WORKER.npz.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

COUNT, MODES = 64, 5


def main() -> None:
    folder, strategy, *overrides = sys.argv[1:]
    from training.fitting.devices import choose

    devices = choose(strategy, cpu_devices=2 if strategy == "mirrored" else 1)

    import keras
    import numpy as np

    from training import architectures
    from training.errors import Interrupted
    from training.fitting.fit import fit
    from training.fitting.interruption import listening
    from training.recipe import load_recipe

    # Without dropout, which every device draws for itself, one device and several come to the same weights.
    plain = os.environ.get("PLAIN") == "1"
    name = "radar"
    recipe = load_recipe(name, ["input.height=16", "input.width=16", "fit.epochs=4", "fit.batch_size=16", *overrides])
    rng = np.random.default_rng(0)
    classes = (np.arange(COUNT + 20) % MODES).astype(np.int64)
    noise = rng.integers(0, 60, (COUNT + 20, 16, 16, 3))
    images = np.clip(classes[:, None, None, None] * 45 + noise, 0, 255).astype(np.uint8)
    keras.utils.set_random_seed(1)
    with devices.scope():
        network = without_dropout() if plain else architectures.build(name, height=16, width=16, modes=MODES)
    try:
        with listening() as interruption, interruption.waiting():
            fitted = fit(
                network,
                recipe,
                (images[:COUNT], classes[:COUNT]),
                (images[COUNT:], classes[COUNT:]),
                no_echo=(255, 255, 255),
                seed=1,
                log=Path(folder) / "metrics.jsonl",
                tick=lambda epoch, step, _: print("step", epoch, step, flush=True),
                checkpoints=Path(folder) / "checkpoints",
                devices=devices,
                stopping=interruption.told,
            )
    except Interrupted as error:
        print(error, flush=True)
        sys.exit(75)
    print("done", fitted.epochs, fitted.resumed, flush=True)
    np.savez(Path(folder) / f"weights-{devices.worker}.npz", *network.model.get_weights())


def without_dropout():
    """A network with batch normalisation, and nothing that each device draws for itself."""
    import keras
    from keras import layers

    from training.architectures import join
    from training.architectures.blocks import convolve, pooled_head

    pixels = keras.Input((16, 16, 3))
    x = convolve(layers.Rescaling(1 / 255)(pixels), 8, strides=2)
    features = keras.Model(pixels, convolve(x, 8))
    return join(features, pooled_head(features, MODES, dropout=0))


if __name__ == "__main__":
    main()

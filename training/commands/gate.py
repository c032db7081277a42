"""`training gate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from training.commands.options import fail, quiet_tensorflow, say


def gate(
    model: Annotated[
        Path, typer.Argument(help="Folder of one version: MODELS/snowmode/VERSION.", show_default=False)
    ],
) -> None:
    """Run the release gate on a model that lies there already."""
    from pydantic import ValidationError

    from radar.errors import SnowmodeError
    from serving.protocol.contract import CARD_FILE, ModelCard
    from training.errors import GateError

    try:
        try:
            card = ModelCard.model_validate_json((model / "assets.extra" / CARD_FILE).read_bytes())
        except (OSError, ValidationError) as error:
            raise GateError(f"{model}: expected a model with a card in assets.extra/{CARD_FILE}: {error}") from error
        quiet_tensorflow()
        import numpy as np

        from training.publishing.gate import check

        shape = (6, card.input.height, card.input.width, 3)
        images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        for line in check(model, card, images):
            say(f"passed  {line}")
    except SnowmodeError as error:
        fail(error)

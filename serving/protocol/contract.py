"""The model contract, version 1: what training exports, the server hosts and everyone else may rely on.

| signature         | input                     | outputs                                                       |
|-------------------|---------------------------|---------------------------------------------------------------|
| `serving_default` | `images` uint8 (N,H,W,3)  | `probabilities` float32 (N,K), calibrated; `logits` (N,K)     |
| `explain`         | the same                  | the same two; `gradcam`, `hirescam` float32 (N,K,h,w), logits |
| `embed`           | the same                  | `features` float32 (N,d), the penultimate layer               |
| `describe`        | `query` int32 (N,)        | `model_card` string (N,), the same JSON for each              |

A model describes itself by its card. No client carries class names or sizes of its own.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from radar.frames import Box, FrameRule

CONTRACT_VERSION: Final = 1
MODEL_NAME: Final = "snowmode"

CLASSIFY: Final = "serving_default"
EXPLAIN: Final = "explain"
EMBED: Final = "embed"
DESCRIBE: Final = "describe"

IMAGES: Final = "images"
QUERY: Final = "query"
PROBABILITIES: Final = "probabilities"
LOGITS: Final = "logits"
GRADCAM: Final = "gradcam"
HIRESCAM: Final = "hirescam"
FEATURES: Final = "features"
MODEL_CARD: Final = "model_card"

OUTPUTS: Final[dict[str, tuple[str, ...]]] = {
    CLASSIFY: (PROBABILITIES, LOGITS),
    EXPLAIN: (PROBABILITIES, LOGITS, GRADCAM, HIRESCAM),
    EMBED: (FEATURES,),
    DESCRIBE: (MODEL_CARD,),
}

WARMUP_BATCH_SIZES: Final = (1, 8, 32, 64, 128, 256, 512)
"""Batch sizes of the warm-up records; also fit for `allowed_batch_sizes` of TensorFlow Serving."""

CARD_FILE: Final = "model_card.json"
WARMUP_FILE: Final = "tf_serving_warmup_requests"

Channel = Annotated[int, Field(ge=0, le=255)]


class _Part(BaseModel):
    # A card written by a later release may say more; what this release knows of it stays readable.
    model_config = ConfigDict(frozen=True, extra="ignore")


class ModeEntry(_Part):
    """One mode as the card lists it; see `radar.modes.Mode`."""

    code: str = Field(pattern=r"^[A-Za-z0-9_-]{1,16}$")
    name_en: str
    name_ja: str
    meaning: str
    color: str = Field(pattern=r"^#[0-9A-Fa-f]{6}$")


class PixelBox(_Part):
    """A rectangle in pixels of the original picture."""

    top: int = Field(ge=0)
    left: int = Field(ge=0)
    height: int = Field(ge=1)
    width: int = Field(ge=1)


class InputEntry(_Part):
    """How a picture becomes the model's input."""

    height: int = Field(ge=1, le=4096)
    width: int = Field(ge=1, le=4096)
    crop: PixelBox | None = None
    masks: tuple[PixelBox, ...] = ()
    no_echo: tuple[Channel, Channel, Channel] = (255, 255, 255)
    resize: Literal["area"] = "area"

    def frame_rule(self) -> FrameRule:
        """Gives the preprocessing that `radar.frames` carries out."""
        return FrameRule(
            height=self.height,
            width=self.width,
            crop=None if self.crop is None else Box(**self.crop.model_dump()),
            masks=tuple(Box(**mask.model_dump()) for mask in self.masks),
            no_echo=self.no_echo,
        )


class HeatMapEntry(_Part):
    """Size of `gradcam` and `hirescam`, in cells."""

    height: int = Field(ge=1)
    width: int = Field(ge=1)


class ModelCard(_Part):
    """What a model says of itself.

    Attributes:
        contract_version: Always 1 here; another number is another contract.
        model: Name of the servable.
        created: When the model was made, UTC.
        modes: The classes, in the order of every (N,K) output.
        input: Size and preprocessing of `images`.
        heat_map: Size of the heat maps.
        feature_size: d of the `embed` signature.
        temperature: Logits are divided by this before the softmax.
        rejection_threshold: A frame whose largest probability is below this is not accepted.
        recipe: Name of the training recipe.
        settings: The resolved recipe.
        manifest_sha256: Hash of the list of training frames, labels and splits.
        git_commit: Commit of the code, empty if it was not a checkout.
        libraries: Versions of the libraries that took part.
        metrics: Scores by name, with the split they were measured on in the name.
        caveats: What a reader of the metrics must know.
        synthetic: Whether the training frames were made by a computer.
    """

    contract_version: Literal[1]
    model: str
    created: datetime
    modes: tuple[ModeEntry, ...] = Field(min_length=2)
    input: InputEntry
    heat_map: HeatMapEntry
    feature_size: int = Field(ge=1)
    temperature: float = Field(gt=0)
    rejection_threshold: float = Field(ge=0, le=1)
    recipe: str
    settings: dict[str, Any] = {}
    manifest_sha256: str = ""
    git_commit: str = ""
    libraries: dict[str, str] = {}
    metrics: dict[str, float | int | None] = {}
    caveats: tuple[str, ...] = ()
    synthetic: bool = False

    @model_validator(mode="after")
    def _codes_differ(self) -> ModelCard:
        if len(set(self.codes)) < len(self.codes):
            raise ValueError(f"the codes of the modes must differ; received {', '.join(self.codes)}")
        return self

    @property
    def codes(self) -> tuple[str, ...]:
        """Codes of the modes, in the order of the outputs."""
        return tuple(mode.code for mode in self.modes)

    @property
    def frame_bytes(self) -> int:
        """Size of one frame on the wire, in bytes."""
        return self.input.height * self.input.width * 3

"""Version labels: names such as `stable` and `canary` that a config gives to versions of a model."""

from collections.abc import Callable, Iterable, Mapping

import grpc

from serving.model_server.errors import ServableError
from serving.model_server.model_config import ModelEntry


def check_labels(
    entries: Iterable[ModelEntry],
    current: Mapping[str, ModelEntry],
    is_available: Callable[[str, int], bool],
    *,
    allow_unavailable: bool,
) -> None:
    """Checks that every label stands for a version that answers.

    Args:
        entries: the models of the new config.
        current: those of the config in force, by name.
        is_available: tells whether a version of a model answers now.
        allow_unavailable: `--allow_version_labels_for_unavailable_models`: new labels, and labels that stay where
            they are, may be given in advance. One that moves must still move to a version that answers, for it has
            users.

    Raises:
        ServableError: FAILED_PRECONDITION, in TensorFlow Serving's words.
    """
    for entry in entries:
        old = current[entry.name].labels if entry.name in current else {}
        for label, version in sorted(entry.labels.items()):
            in_advance = allow_unavailable and old.get(label, version) == version
            if not in_advance and not is_available(entry.name, version):
                raise ServableError(
                    grpc.StatusCode.FAILED_PRECONDITION,
                    f"Request to assign label to version {version} of model {entry.name}, which is not currently "
                    "available for inference",
                )

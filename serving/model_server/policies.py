"""Version policies: which of the versions on disk a model should have loaded."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import TypeAlias

from serving.protocol import wire


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest `count` versions."""

    count: int = 1

    def choose(self, present: Collection[int]) -> set[int]:
        """Picks among the versions that are there."""
        return set(sorted(present)[-self.count :])


@dataclass(frozen=True, slots=True)
class All:
    """Every version."""

    def choose(self, present: Collection[int]) -> set[int]:
        """Picks among the versions that are there."""
        return set(present)


@dataclass(frozen=True, slots=True)
class Specific:
    """These versions and no others."""

    versions: frozenset[int]

    def choose(self, present: Collection[int]) -> set[int]:
        """Picks among the versions that are there."""
        return set(self.versions) & set(present)


Policy: TypeAlias = Latest | All | Specific


def read_policy(proto: wire.ModelConfig) -> Policy:
    """Reads the policy of a ModelConfig; none means the newest version."""
    policy = proto.model_version_policy
    match policy.WhichOneof("policy_choice"):
        case "all":
            return All()
        case "specific":
            return Specific(frozenset(policy.specific.versions))
        case _:
            return Latest(max(policy.latest.num_versions, 1))  # TensorFlow Serving takes 0 for 1, too

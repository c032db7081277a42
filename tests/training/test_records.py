"""Records of a run: what it was made with."""

import importlib.metadata

import pytest

from training import records


def installed(monkeypatch: pytest.MonkeyPatch, **versions: str) -> None:
    def version(name: str) -> str:
        try:
            return versions[name.replace("-", "_")]
        except KeyError:
            raise importlib.metadata.PackageNotFoundError(name) from None

    monkeypatch.setattr(importlib.metadata, "version", version)


def test_libraries_that_are_not_there_are_left_out(monkeypatch):
    installed(monkeypatch, keras="3.15.1")
    assert records.libraries("keras", "numpy") == {"keras": "3.15.1"}


def test_another_build_of_tensorflow_is_tensorflow(monkeypatch):
    installed(monkeypatch, tensorflow_cpu="2.20.0")
    assert records.libraries("tensorflow") == {"tensorflow": "2.20.0"}
    installed(monkeypatch, tensorflow_cpu="2.20.0", tensorflow="2.20.1")
    assert records.libraries("tensorflow") == {"tensorflow": "2.20.1"}

"""The script that builds the images, which is no part of a package, as a module."""

import importlib.util
import sys
from pathlib import Path

_path = Path(__file__).parents[2] / "docker" / "build_images.py"
_spec = importlib.util.spec_from_file_location("build_images", _path)
assert _spec
assert _spec.loader
build_images = importlib.util.module_from_spec(_spec)
sys.modules["build_images"] = build_images  # its dataclass looks itself up
_spec.loader.exec_module(build_images)

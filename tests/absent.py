"""Code as it runs where packages are not installed."""

WITHOUT_REPORT_EXTRA = """
import importlib.util, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"matplotlib", "jinja2", "markupsafe"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: (
    None if name in {"matplotlib", "jinja2"} else find_spec(name, package)
)
sys.meta_path.insert(0, Absent())
"""
"""Goes before code for `python -c`: as if `snowmode[report]` were not there."""

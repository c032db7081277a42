"""Settings by flag, environment and config file, and `client config`, which tells them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer

from client.cli import app
from client.config.file import defaults_from, name_variables, settings_of
from client.config.settings import config_file
from client.config.text import example, write_example
from client.errors import ConfigError
from tests.client.command import client
from tests.conftest import write_frames


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    file = config_file()
    file.parent.mkdir()
    return file


@pytest.fixture(scope="module")
def root() -> Any:
    return typer.Context(typer.main.get_command(app), info_name="client")


def in_force(*words: str) -> dict[str, tuple[str, str]]:
    done = client("config", *words, "--json")
    assert done.returncode == 0, done.stderr
    return {row["setting"]: (row["value"], row["from"]) for row in json.loads(done.stdout)["settings"]}


def test_environment_before_table_before_top_level(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert in_force("classify")["zone"] == ("UTC", "default")
    file.write_text('zone = "JST"\n')
    assert in_force("classify")["zone"] == ("JST", str(file))
    file.write_text('zone = "JST"\n[classify]\nzone = "Asia/Tokyo"\n')
    assert in_force("classify")["zone"] == ("Asia/Tokyo", f"{file} [classify]")
    assert in_force("watch")["zone"] == ("JST", str(file))
    monkeypatch.setenv("SNOWMODE_CLASSIFY_ZONE", "UTC")
    assert in_force("classify")["zone"] == ("UTC", "SNOWMODE_CLASSIFY_ZONE")
    assert in_force("watch")["zone"] == ("JST", str(file))


def test_a_command_uses_what_is_in_force_and_its_flags_before_it(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    season = write_frames(tmp_path / "season", 2)
    file.write_text(f'server = "file:1"\n[classify]\nout = "{tmp_path}/file.csv"\nformat = ["nakai-short"]\n')

    def plan(*words: str) -> str:
        done = client("classify", season, "--dry-run", *words)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    assert "file:1" in plan()
    assert str(file) in plan()
    assert "file.csv" in plan()
    monkeypatch.setenv("SNOWMODE_CLASSIFY_OUT", f"{tmp_path}/variable.csv")
    monkeypatch.setenv("SNOWMODE_SERVER", "variable:1")
    assert "variable.csv" in plan()
    assert "variable:1" in plan()
    assert "flag.csv" in plan("--out", f"{tmp_path}/flag.csv")
    assert "flag:1" in plan("--server", "flag:1")


def test_another_file_is_named_by_flag_or_variable(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text("[classify]\nthreads = 1\n")
    other = tmp_path / "other.toml"
    other.write_text("[classify]\nthreads = 7\n")
    done = client("--config", other, "config", "classify", "--json")
    assert '"7"' in done.stdout
    monkeypatch.setenv("SNOWMODE_CONFIG", str(other))
    assert in_force("classify")["threads"] == ("7", f"{other} [classify]")
    assert client("config", "--path").stdout.strip() == str(other)


def test_a_file_that_was_asked_for_and_is_not_there_is_an_error(tmp_path: Path) -> None:
    done = client("--config", tmp_path / "none.toml", "describe")
    assert done.returncode == 2
    assert "there is no such config file" in done.stderr


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("sever = 'a'", "sever: no command has this option or this name; did you mean 'server'?"),
        ("[clasify]\nthreads = 1", "clasify: no command has this option or this name; did you mean 'classify'?"),
        ("xyzzy = 1", "expected an option of a command"),
        (
            "[classify]\ntreads = 4",
            "[classify] treads: `client classify` has no such option; did you mean 'thr",
        ),
        ("[stats]\nxyzzy = 4", "expected one of cadence"),
        ("[watch]\nmetrics_port = 1", "did you mean 'metrics-port'?"),
        ("classify = 4", "classify: expected a table, [classify], received 4"),
        ("server = 8500", "server: expected text in quotes, received 8500"),
        ("[classify]\nthreads = '4'", "[classify] threads: expected a whole number, received '4'"),
        ("[classify]\nthreads = true", "threads: expected a whole number, received True"),
        ("[classify]\nthreads = 0", "[classify] threads: "),
        ("[classify]\npatience = 'long'", "patience: expected a number, received 'long'"),
        ("[classify]\nresume = 1", "resume: expected true or false, received 1"),
        ("[classify]\nout = 1", "out: expected a path, received 1"),
        ("[classify]\nformat = ['csv', 'xls']", "format: expected one or a list of 'csv', 'parquet', "),
        ("[classify]\nexplain = 'cam'", "explain: expected 'gradcam', 'hirescam' or 'both', received 'cam'"),
        ("[classify]\nseason-start = 'winter'", "[classify] season-start: "),
        ("[classify", "cannot be read as a config file"),
    ],
)
def test_what_cannot_be_meant_is_named_with_the_file(file: Path, root: Any, text: str, complaint: str) -> None:
    file.write_text(text)
    with pytest.raises(ConfigError, match=re.escape(complaint)) as caught:
        defaults_from(file, root)
    assert str(caught.value).startswith(str(file))


def test_values_arrive_as_the_command_line_takes_them(file: Path, root: Any) -> None:
    file.write_text(
        "model = 'rain'\n[classify]\nout = '~/r.csv'\nformat = 'nakai'\npatience = 2\nresume = false\n"
        "season-start = 2015-11-01T00:00:00Z\n"
    )
    defaults = defaults_from(file, root)
    assert defaults["classify"] == {
        "model": "rain",
        "out": str(Path("~/r.csv").expanduser()),
        "formats": ["nakai"],
        "patience": 2.0,
        "resume": False,
        "season_start": "2015-11-01T00:00:00Z",
    }
    assert defaults["models"] == {"names": ["rain"]}  # one where several may stand
    assert defaults["stats"] == {}


def test_a_broken_file_stops_every_command_but_those_that_help(file: Path) -> None:
    file.write_text("sever = 'a'")
    for words in (("describe",), ("config",)):
        done = client(*words)
        assert done.returncode == 2, words
        assert "did you mean 'server'?" in done.stderr
    assert client("describe", "--help").returncode == 0
    done = client("config", "--path")
    assert (done.returncode, done.stdout.strip()) == (0, str(file))


def test_without_a_command_only_what_is_set_is_told(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = client("config")
    assert "Nothing is set" in done.stdout
    monkeypatch.setenv("SNOWMODE_WATCH_POLL", "2")
    assert in_force() == {"poll": ("2", "SNOWMODE_WATCH_POLL")}
    table = client("config").stdout
    assert "watch" in table
    assert "SNOWMODE_WATCH_POLL" in table


def test_secrets_are_not_told(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNOWMODE_TOKEN", "geheim")
    monkeypatch.setenv("SNOWMODE_SIDECAR", "http://user:geheim@sidecar:8080")
    for words in (("config",), ("config", "watch"), ("config", "watch", "--json")):
        done = client(*words)
        assert "sidecar:8080" in done.stdout
        assert "SNOWMODE_TOKEN" in done.stdout
        assert "geheim" not in done.stdout + done.stderr


def test_a_command_that_is_none_is_refused(file: Path) -> None:
    done = client("config", "clasify")
    assert done.returncode == 2
    assert "received 'clasify'" in done.stderr


def test_an_example_is_written_once(file: Path) -> None:
    file.parent.rmdir()
    done = client("config", "--init")
    assert done.returncode == 0, done.stderr
    before = file.read_text()
    assert tomllib.loads(before) == {name: {} for name in tomllib.loads(before)}, "every setting is a comment"
    done = client("config", "--init")
    assert done.returncode == 2
    assert "is there already and stays as it is" in done.stderr
    assert file.read_text() == before


def test_every_line_of_the_example_is_good(file: Path, root: Any) -> None:
    text = re.sub(r"^# (?=[a-z-]+ = )", "", example(root.command.commands), flags=re.MULTILINE)
    file.write_text(text)
    table = tomllib.loads(text)
    defaults_from(file, root)
    for name, command in root.command.commands.items():
        assert set(settings_of(name, command)) <= {*table, *table.get(name, {})}


def test_an_example_that_cannot_be_written_leaves_nothing(tmp_path: Path, root: Any) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Exception, match="cannot be written"):
        write_example(tmp_path / "file" / "config.toml", root.command.commands)


def test_every_option_has_a_variable_of_its_own(root: Any) -> None:
    name_variables(root.command)
    for name, command in root.command.commands.items():
        for key, setting in settings_of(name, command).items():
            assert setting.variables, f"{name} --{key}"
            assert all(variable.startswith("SNOWMODE_") for variable in setting.variables)


def test_a_file_costs_no_heavy_import(file: Path) -> None:
    file.write_text("[classify]\nthreads = 2\n")
    code = "import sys; sys.argv = ['client', 'classify', '--help']\nfrom client.cli import main\n"
    code += "try: main()\nexcept SystemExit: pass\n"
    code += "print(sorted({'numpy', 'cv2', 'grpc'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"

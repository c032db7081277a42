"""The command `serving`: the services of snowmode."""

import typer

from serving.model_server.command import ModelServerCommand, model_server
from serving.sidecar.backup_commands import backup, restore, verify_backup
from serving.sidecar.command import SidecarCommand, sidecar

app = typer.Typer(
    name="serving",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich's table cuts TensorFlow Serving's long flag names at 80 columns
    help="Serve models, and what they say of a winter.",
)
app.command("model-server", cls=ModelServerCommand)(model_server)
app.command("sidecar", cls=SidecarCommand)(sidecar)
for _command in (backup, restore, verify_backup):
    app.command()(_command)


@app.callback()
def _commands() -> None:
    """Run the services of snowmode."""


def main() -> None:
    """Runs the command line."""
    app()

"""The command `serving`: the services of snowmode."""

import typer

from serving.model_server.command import model_server

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Serve models.")
app.command("model-server")(model_server)


@app.callback()
def _commands() -> None:
    """Run the services of snowmode."""


def main() -> None:
    """Runs the command line."""
    app()

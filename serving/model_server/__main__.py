"""`python -m serving.model_server`: the same as `serving model-server`."""

import typer

from serving.model_server.command import ModelServerCommand, model_server

if __name__ == "__main__":
    app = typer.Typer(
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # rich's table cuts TensorFlow Serving's long flag names at 80 columns
    )
    app.command(cls=ModelServerCommand)(model_server)
    app()

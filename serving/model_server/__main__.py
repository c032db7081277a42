"""`python -m serving.model_server`: the same as `serving model-server`."""

import typer

from serving.model_server.command import model_server

if __name__ == "__main__":
    typer.run(model_server)

"""`training recipes`."""

from __future__ import annotations


def recipes() -> None:
    """List the recipes that come with the package."""
    from importlib import resources

    from training.recipe import load_recipe, recipe_names

    for name in recipe_names():
        recipe = load_recipe(name)
        text = resources.files("training.recipes").joinpath(f"{name}.toml").read_text(encoding="utf-8")
        comment = [line.removeprefix("#").strip() for line in text.splitlines() if line.startswith("#")]
        size = f"{recipe.input.width}x{recipe.input.height} pixels"
        print(f"{name}  ({size}, split by {recipe.data.split}, {recipe.fit.epochs} epochs)")  # noqa: T201
        print("\n".join(f"    {line}" for line in comment), end="\n\n")  # noqa: T201

"""Recipes: what a run is told, checked before it starts."""

import re

import pytest

from training import architectures
from training.errors import RecipeError
from training.fitting.augment import ROTATIONS
from training.recipe import Recipe, as_toml, load_recipe, recipe_names

MINIMAL = """
name = "mine"
architecture = "radar"
[input]
height = 32
width = 48
[fit]
epochs = 3
batch_size = 8
learning_rate = 0.01
"""


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_of_the_package_loads_under_its_own_name(name):
    assert load_recipe(name).name == name


def test_there_is_a_recipe_for_each_architecture():
    assert recipe_names() == ["convbn", "convnext_tiny", "mlp", "nakai2022", "radar", "resnet", "vgg16"]


@pytest.mark.parametrize("name", recipe_names())
def test_a_resolved_recipe_reads_back_as_itself(name):
    recipe = load_recipe(name, ["fit.epochs=200", "input.crop={top=1, left=2, height=300, width=310}"])
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe
    assert Recipe.model_validate(recipe.model_dump(mode="json")) == recipe


def test_the_original_process_as_its_author_describes_it():
    recipe = load_recipe("nakai2022")
    assert (recipe.input.height, recipe.input.width) == (32, 32)
    assert (recipe.data.per_mode, recipe.data.split, recipe.data.validation_share) == (500, "frame", 0.2)
    assert (recipe.fit.epochs, recipe.fit.batch_size, recipe.fit.patience) == (15, 512, 0)
    assert recipe.augment.kind == "nakai2022"
    assert ROTATIONS == (-30, -25, -20, -15, -10, -5, 0, 5, 10, 15, 20, 25)


def test_the_original_network_layer_by_layer():
    network = architectures.build("nakai2022", height=32, width=32, modes=5)
    shapes = {
        layer.name: layer.output.shape[1:] for half in (network.features, network.head) for layer in half.layers
    }
    convolutions = {name: shape for name, shape in shapes.items() if name.startswith("conv2d")}
    assert convolutions == {
        "conv2d": (30, 30, 32),
        "conv2d_1": (28, 28, 32),
        "conv2d_2": (12, 12, 64),
        "conv2d_3": (10, 10, 64),
    }
    assert network.features.output.shape == (None, 10, 10, 64)
    assert all(layer.activation.__name__ == "relu" for layer in network.features.layers if layer.name in convolutions)
    kinds = [type(layer).__name__ for layer in (*network.features.layers, *network.head.layers)]
    expected = "InputLayer Rescaling Conv2D Conv2D MaxPooling2D Conv2D Conv2D"
    assert kinds == [*expected.split(), *"InputLayer MaxPooling2D Flatten Dense Dense".split()]
    assert 1600 in [shape[-1] for shape in shapes.values()]


def test_the_recommended_recipe_splits_by_event_and_pools_globally():
    recipe = load_recipe("radar")
    assert recipe.data.split == "event"
    assert recipe.augment.rotation_degrees <= 10  # coast and mountains do not turn
    assert recipe.fit.patience > 0
    network = architectures.build("radar", height=64, width=64, modes=5)
    assert network.embed.output.shape[1:] == network.features.output.shape[3:]


def test_an_unknown_architecture_is_refused():
    with pytest.raises(ValueError, match=r"among nakai2022, radar, .*\. Received: name='resnext'"):
        architectures.build("resnext", height=32, width=32, modes=5)


# Overrides.


def test_an_override_changes_one_value_and_nothing_else():
    changed = load_recipe("radar", ["fit.epochs=5"])
    assert changed.fit.epochs == 5
    assert changed == load_recipe("radar").model_copy(update={"fit": changed.fit})
    assert changed.fit == load_recipe("radar").fit.model_copy(update={"epochs": 5})


def test_overrides_are_read_as_toml_or_else_as_text():
    recipe = load_recipe(
        "radar",
        [
            "name=mine, of today",
            'data.split="frame"',
            " fit.learning_rate = 1e-4",
            "input.masks=[{top=0, left=1, height=2, width=3}]",
            "fit.epochs=5",
            "fit.epochs=6",
        ],
    )
    assert recipe.name == "mine, of today"
    assert recipe.data.split == "frame"
    assert recipe.fit.learning_rate == 1e-4
    assert recipe.fit.epochs == 6
    assert recipe.input.masks[0].width == 3


@pytest.mark.parametrize("override", ["fit.epochs", "=5", "", "fit"])
def test_a_malformed_override_says_what_is_expected(override):
    with pytest.raises(RecipeError, match=rf"^--set: expected key=value .*received '{override}'$"):
        load_recipe("radar", [override])


def test_an_override_below_a_value_is_refused():
    with pytest.raises(RecipeError, match="'epochs' holds a value, not a table"):
        load_recipe("radar", ["fit.epochs.first=1"])


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("fit.epoch=5", r"fit\.epoch: unknown key \(received 5\); did you mean fit\.epochs\?$"),
        ("fits.epochs=5", r"fits: unknown key \(received .*\); did you mean fit\?$"),
        ("fit..epochs=5", r"fit\.: unknown key"),
        ("fit=5", r"fit: .*received 5"),
        ("fit.epochs=many", r"fit\.epochs: .*received 'many'"),
        ("fit.epochs=0", r"fit\.epochs: .*greater than or equal to 1 \(received 0\)"),
        ("fit.learning_rate=nan", r"fit\.learning_rate: "),
        ("augment.rotation_degrees=nan", r"augment\.rotation_degrees: "),
        ("data.split=seasons", r"data\.split: .*'frame' or 'manifest' \(received 'seasons'\)"),
        ("xyz=1", r"xyz: unknown key \(received 1\)$"),
        ("epochs=5", r"epochs: unknown key .*; did you mean fit\.epochs\?$"),
        ("data.validation_share=0.001", r"data\.validation_share: .*greater than or equal to 0\.05"),
        ("data.validation_share=1.0", r"data\.validation_share: .*less than or equal to 0\.5"),
        ("architecture=vgg", r"architecture: .*received 'vgg'"),
        ("input.height=8", r"input\.height: .*greater than or equal to 16"),
        ("input.crop={top=0}", r"input\.crop\.left: Field required"),
        ("input.crop={top=0, left=0, height=5, width=5, rows=1}", r"input\.crop\.rows: unknown key \(received 1\)"),
    ],
)
def test_a_key_or_value_that_cannot_be_is_named(override, problem):
    with pytest.raises(RecipeError, match=rf"(?s)^Recipe 'radar' cannot be used:\n  {problem}"):
        load_recipe("radar", [override])


def test_every_problem_is_named_at_once():
    with pytest.raises(RecipeError, match=r"(?s)fit\.epochs.*data\.split|data\.split.*fit\.epochs"):
        load_recipe("radar", ["fit.epochs=0", "data.split=x"])


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        (["transfer.freeze_epochs=2"], r"\[transfer\] belongs to vgg16 and convnext_tiny; 'radar' has no backbone"),
        (
            ["architecture=vgg16", "transfer.freeze_epochs=24"],
            r"transfer\.freeze_epochs = 24 leaves none of fit\.epochs = 24 to learn in",
        ),
        (["architecture=vgg16", "input.height=24"], r"vgg16 needs .* at least 32, received 24 and 64"),
        (["fit.ema=1.0"], r"fit\.ema: .*less than 1"),
        (["release.accept=0"], r"release\.accept: .*greater than 0"),
    ],
)
def test_keys_that_do_not_go_together_are_named(overrides, problem):
    with pytest.raises(RecipeError, match=rf"^Recipe 'radar' cannot be used:\n  {problem}"):
        load_recipe("radar", overrides)


@pytest.mark.parametrize("name", recipe_names())
def test_a_resolved_recipe_is_written_as_toml_and_read_back(name, tmp_path):
    overrides = [
        "input.crop={top=1, left=2, height=300, width=310}",
        'data.test_seasons=["a\\"b", "c"]',
        "fit.ema=0.99",
    ]
    for changes in ([], overrides):
        recipe = load_recipe(name, changes)
        (tmp_path / "resolved.toml").write_text(as_toml(recipe), encoding="utf-8")
        assert load_recipe(str(tmp_path / "resolved.toml")) == recipe


# Files.


def test_a_recipe_may_be_a_file(tmp_path):
    (tmp_path / "mine.toml").write_text(MINIMAL)
    recipe = load_recipe(str(tmp_path / "mine.toml"), ["data.per_mode=7"])
    assert (recipe.name, recipe.input.height, recipe.input.width) == ("mine", 32, 48)
    assert recipe.data.per_mode == 7
    assert recipe.augment.kind == "none"


def test_an_unknown_recipe_lists_what_there_is(tmp_path):
    with pytest.raises(RecipeError, match=r"received 'nakai'; did you mean nakai2022\?$"):
        load_recipe("nakai")
    for name in ("xyz", str(tmp_path / "none.toml"), str(tmp_path)):
        expected = f"{', '.join(recipe_names())}, or a TOML file, received {name!r}"
        with pytest.raises(RecipeError, match=re.escape(expected)):
            load_recipe(name)


@pytest.mark.parametrize("content", [b"name = ", b"name = '\xff'"])
def test_a_file_that_is_no_toml_is_refused(tmp_path, content):
    (tmp_path / "bad.toml").write_bytes(content)
    with pytest.raises(RecipeError, match="is no valid TOML"):
        load_recipe(str(tmp_path / "bad.toml"))

"""A look inside: what a network has learned, in pictures and numbers, next to the checks whether to believe them.

`subject` loads a run or a published model, `frames` chooses frames, each technique of `techniques` is a module with
pure functions that return arrays, functions that draw them, and `look`, which writes both and gives a `Part` of the
page that `report` makes.
"""

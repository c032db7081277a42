"""The calls under `/v1`, a module for each kind of thing; each has a `router`."""

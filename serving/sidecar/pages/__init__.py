"""The pages: made on the server, of the same store as the calls, for a browser without any other host.

A module for each page, each with a `router`; `site` puts them together. What they share:

    language     English and Japanese, out of `words/`
    rendering    templates, the files they load, answers and errors as pages
    times        times of the zone that people read
    modes        names and colours of modes, out of the model's card
    parts        which part is away
    charts       where bars and lines lie
"""

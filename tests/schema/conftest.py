"""How many cases a run has: the profiles `short` and `full`, which the nox sessions of those names choose."""

from hypothesis import settings

# The short run is the same every time, so that it fails for a reason; the full one looks further each time.
settings.register_profile("short", max_examples=10, derandomize=True)
settings.register_profile("full", max_examples=250, print_blob=True)

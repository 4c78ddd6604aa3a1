"""A search for a better recipe: its space, its trials, and a leaderboard with intervals.

In: a search space and Records. Out: finished trials, the best recipe, a leaderboard as files. Read ``space`` and
``search`` first, then ``roles`` (which process does what), ``launching`` (starts them), ``tuner``, ``judge`` and
``trials`` (each trial as a file); ``leaderboard`` and ``files`` (the leaderboard, the space and the best recipe as
files).
"""

"""A search for a better recipe: its space, its trials, and a leaderboard with intervals.

In: a search space and Records. Out: finished trials, the best recipe, a leaderboard as files. Read ``space`` and
``search`` first, then ``tuner``, ``judge`` and ``trials``; ``roles`` (which process does what), ``leaderboard`` and
``files``.
"""

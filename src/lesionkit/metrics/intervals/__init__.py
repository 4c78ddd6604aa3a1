"""How precise a score is, and whether two scores differ: resampling of whole groups, intervals, comparisons.

In: labels, probabilities and group numbers. Out: resampled scores, intervals, verdicts. Read ``resampling`` first, then
``ranking`` (AUROC and average precision on all resamples at once) and ``comparison``.
"""

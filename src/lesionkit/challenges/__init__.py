"""The ISIC challenges: their official scores and their submission files.

In: labels and probabilities, or the files of both. Out: the official scores, and what a validator would refuse. Read
``scores``, then ``submissions``, then ``files`` (a submission file scored against a ground-truth file).
"""

"""Labels and predicted probabilities to scores, thresholds and prediction sets; arrays alone, no files, no models.

In: labels (n,) and probabilities (n, C). Out: scores with confidence intervals. Read ``classification`` first, then
``score_table`` (each score in one place), ``intervals/`` (resampling and comparisons), ``three_scores``,
``class_scores`` and ``curves``; ``malignancy``, ``aims`` and ``operating_points`` (benign or malignant, referral);
``temperature`` and ``calibration``; ``selective`` and ``conformal`` (uncertainty); ``robustness``.
"""

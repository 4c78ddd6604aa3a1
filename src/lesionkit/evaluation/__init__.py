"""A model and labelled images to an :class:`~lesionkit.Evaluation`, and how far it can be trusted.

In: a model and labelled images. Out: probabilities for each image with all that follows from them, as one file. Read
``evaluate`` and ``evaluation`` first, then ``labels``, ``verdict``, ``files`` and ``illustration``; ``stress`` and
``artefacts`` measure robustness to corruptions.
"""

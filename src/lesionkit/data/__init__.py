"""Records of images, and all that is read of image files and tables.

In: files, folders and CSV tables. Out: :class:`~lesionkit.Records`, a survey of their files, batches of pixels. Read
``records`` first, then ``summary`` and ``relation`` (which data a model has seen); ``tables`` and ``taxonomy``
(metadata, diagnoses); ``reading``, ``images``, ``survey`` and ``pipeline`` (bytes to pixels); ``near_copies``,
``alignment`` and ``copies`` (near duplicates); ``splits``; ``shortcut_forest`` (the shortcut baseline).
"""

"""Records of images, and all that is read of image files and tables.

In: files, folders and CSV tables. Out: :class:`~lesionkit.Records`, a survey of their files, batches of pixels. Read
``records`` first, then ``identities`` (rows that belong together), ``summary`` and ``relation`` (which data a model has
seen); ``tables`` and ``taxonomy`` (metadata, diagnoses); ``reading`` (a file's bytes and their SHA-256), ``images``
(bytes to pixels), ``survey`` (one look at each file) and ``pipeline`` (batches); ``near_copies``, ``alignment`` and
``copies`` (near duplicates); ``splits``; ``shortcut_forest`` (the shortcut baseline).
"""

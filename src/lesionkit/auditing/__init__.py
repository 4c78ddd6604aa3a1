"""An audit of images, and the label patch that it suggests.

In: Records. Out: an :class:`~lesionkit.Audit`, a patch for a person to edit, and both as files. Read ``audit`` (every
check on one set of records), then ``suggestions``, ``patches`` and ``files``.
"""

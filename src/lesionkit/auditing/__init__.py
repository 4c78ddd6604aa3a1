"""An audit of images, and the label patch that their identities, labels and diagnoses suggest.

In: Records. Out: an :class:`~lesionkit.Audit`, a patch for a person to edit, and both as files. Read ``audit`` (every
check on one set of records), then ``suggestions`` (Records to a patch; findings do not enter it), ``patches`` and
``files``.
"""

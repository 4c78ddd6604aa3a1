"""A trained classifier on disk and in use.

In: a model with its evaluation. Out: a folder that Keras loads without lesionkit, predictions, exports. Read ``bundle``
and ``card`` first, then ``inputs`` and ``prediction``; ``export``, ``formats``, ``agreement`` and ``encoded_images``
write the classifier for serving and compare it with Keras.
"""

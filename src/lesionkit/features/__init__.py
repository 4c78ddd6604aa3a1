"""The frozen part of a network run once for each image, its output stored and found again.

In: a frozen ``keras.Model`` and image files. Out: its feature maps. Read ``store`` first, then ``fingerprint`` (what a
stored map depends on), ``shards`` (the files) and ``folding`` (the same network as a faster function).
"""

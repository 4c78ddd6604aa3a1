"""The classifier as one Keras model.

In: the parts of a recipe, or a model. Out: a plain ``keras.Model``, its probabilities, its saliency maps. Read
``assembly`` and ``parts`` first (joined, found again, cut at a stage), then ``inference``, ``views`` (augmentation) and
``averaging``; ``unrolling``, ``heat_maps`` and ``overlays`` explain predictions.
"""

"""What all trainers share: options, the task made of what fitting is given, the loop and its state.

In: a model, training and validation data, options. Out: a fitted model and a :class:`~lesionkit.TrainingRun`. Read
``options``, ``given`` (data checked, the recipe of a fit) and ``run`` first, then ``trainer`` (checks what is given,
and makes ready and fits each phase), ``task``, ``preparation`` (stored features or the whole network), ``loop``,
``watch`` and ``checkpoints`` (state after each epoch); ``balance`` (class weights), ``distribution`` and ``replicas``
(several devices), ``learning_rates``.
"""

# What is remembered of `logging` is the module's own: nothing for other rooms.

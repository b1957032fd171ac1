# No C interface: the functions of this room are called from Python.

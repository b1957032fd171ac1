# What tells that a class was changed, so that what was judged by it is judged again.
from cpython.object cimport PyTypeObject

cdef extern from *:
    """
    /* A number that changes with every change of a class or of one of its bases; 0: none at the moment. */
    static unsigned int rap_version(PyTypeObject *type, PyObject *name) {
        if (!type->tp_version_tag) _PyType_Lookup(type, name);
        return type->tp_version_tag;
    }
    """
    unsigned int rap_version(PyTypeObject *type, object name)

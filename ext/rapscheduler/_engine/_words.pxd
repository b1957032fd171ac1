# Words that threads read and write without a lock: hints and small caches of which any value that was ever written is
# right, and the pointer to the newest block of a zone.
#
# One word each, read and written whole. A hint is read once and used from a local: `rap_hint` keeps the compiler from
# reading it a second time, when it may be another. What a pointer leads to was written before the pointer
# (`rap_publish`, `rap_newest`). ThreadSanitizer sees these as what they are: `make sanitize`.
from libc.stdint cimport int32_t, int64_t, uint64_t

cdef extern from *:
    """
    #if defined(__GNUC__) || defined(__clang__)
    #define RAP_LOAD(where) __atomic_load_n(where, __ATOMIC_RELAXED)
    #define RAP_STORE(where, value) __atomic_store_n(where, value, __ATOMIC_RELAXED)
    #define RAP_NEWEST(where) __atomic_load_n(where, __ATOMIC_ACQUIRE)
    #define RAP_PUBLISH(where, value) __atomic_store_n(where, value, __ATOMIC_RELEASE)
    #define RAP_WORD(type) type
    #else
    /* MSVC: an aligned volatile word is read and written whole, and in order (/volatile:ms, its default on x86) */
    #define RAP_LOAD(where) (*(where))
    #define RAP_STORE(where, value) (*(where) = (value))
    #define RAP_NEWEST(where) (*(where))
    #define RAP_PUBLISH(where, value) (*(where) = (value))
    #define RAP_WORD(type) volatile type
    #endif
    static inline Py_ssize_t rap_hint(RAP_WORD(Py_ssize_t) *where) { return RAP_LOAD(where); }
    static inline void rap_set_hint(RAP_WORD(Py_ssize_t) *where, Py_ssize_t value) { RAP_STORE(where, value); }
    static inline uint64_t rap_word(RAP_WORD(uint64_t) *where) { return RAP_LOAD(where); }
    static inline void rap_set_word(RAP_WORD(uint64_t) *where, uint64_t value) { RAP_STORE(where, value); }
    static inline int32_t rap_number(RAP_WORD(int32_t) *where) { return RAP_LOAD(where); }
    static inline void rap_set_number(RAP_WORD(int32_t) *where, int32_t value) { RAP_STORE(where, value); }
    static inline void *rap_newest(void *where) { return RAP_NEWEST((void *RAP_WORD(*))where); }
    static inline void rap_publish(void *where, void *value) { RAP_PUBLISH((void *RAP_WORD(*))where, value); }
    """
    Py_ssize_t rap_hint(Py_ssize_t *where) noexcept nogil
    void rap_set_hint(Py_ssize_t *where, Py_ssize_t value) noexcept nogil
    uint64_t rap_word(uint64_t *where) noexcept nogil
    void rap_set_word(uint64_t *where, uint64_t value) noexcept nogil
    int32_t rap_number(int32_t *where) noexcept nogil
    void rap_set_number(int32_t *where, int32_t value) noexcept nogil
    void *rap_newest(void *where) noexcept nogil
    void rap_publish(void *where, void *value) noexcept nogil

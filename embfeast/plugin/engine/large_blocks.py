"""What large arrays took goes back to the system when they are gone: long runs stay small."""

import ctypes
import os
import sys

M_MMAP_THRESHOLD = -3  # as in glibc's malloc.h
LARGE = 4 * 2**20
OWN_CHOICE = "MALLOC_MMAP_THRESHOLD_"


def return_large_blocks() -> bool:
    """Let glibc map arrays of 4 MiB and more by themselves, from now on in this process.

    Left alone it raises that bound to 32 MiB as such arrays are freed, and then keeps what they
    had, in each of the arenas that its threads share.

    Returns
    -------
    bool
        Whether it does: another C library, or the user's own ``MALLOC_MMAP_THRESHOLD_``, is left
        alone.
    """
    if sys.platform != "linux" or OWN_CHOICE in os.environ:
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return bool(mallopt and mallopt(M_MMAP_THRESHOLD, LARGE))

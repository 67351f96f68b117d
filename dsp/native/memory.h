/* Arrays in a memory that Python holds. */

#ifndef ZONGJI_MEMORY_H
#define ZONGJI_MEMORY_H

#include <stddef.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

/* Where `bytes` begin in the memory from `*used` on, which grows. Without a memory they are only counted. */
static void *placed(char *memory, size_t *used, size_t bytes)
{
    void *place = memory ? memory + *used : NULL;
    size_t whole = (bytes + 63) / 64 * 64;
#ifdef __SANITIZE_ADDRESS__ /* the watchers of a test shall see steps from one array into the next */
    whole += 64;
    if (memory)
        __asan_poison_memory_region(memory + *used + bytes, whole - bytes);
#endif
    *used += whole;
    return place;
}

#endif

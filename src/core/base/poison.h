/*
 * base/poison.h: tell AddressSanitizer which memory is nobody's.
 *
 * What a process has poisoned, it alone knows of: memory that other processes
 * hand out too has to be unpoisoned before they may.
 */
#ifndef NN_POISON_H
#define NN_POISON_H

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define NN_USE_ASAN
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define NN_USE_ASAN
#endif

#ifdef NN_USE_ASAN
#include <sanitizer/asan_interface.h>
#define NN_POISON(at, n_bytes) __asan_poison_memory_region((at), (n_bytes))
#define NN_UNPOISON(at, n_bytes) __asan_unpoison_memory_region((at), (n_bytes))
#else
#define NN_POISON(at, n_bytes) ((void) 0)
#define NN_UNPOISON(at, n_bytes) ((void) 0)
#endif

#endif							/* NN_POISON_H */

// OpenMP as a compiler without it has it: pragmas are comments, and the library's functions know one thread.
#pragma once
#include <time.h>

typedef int omp_lock_t;
enum omp_sched_t { omp_sched_static = 1, omp_sched_dynamic = 2, omp_sched_guided = 3, omp_sched_auto = 4 };
inline int omp_get_thread_num() { return 0; }
inline int omp_get_num_threads() { return 1; }
inline int omp_get_max_threads() { return 1; }
inline int omp_get_num_procs() { return 1; }
inline int omp_in_parallel() { return 0; }
inline void omp_set_num_threads(int) {}
inline void omp_set_dynamic(int) {}
inline void omp_set_nested(int) {}
inline int omp_get_level() { return 0; }
inline void omp_init_lock(omp_lock_t* lock) { *lock = 0; }
inline void omp_destroy_lock(omp_lock_t*) {}
inline void omp_set_lock(omp_lock_t* lock) { *lock = 1; }
inline void omp_unset_lock(omp_lock_t* lock) { *lock = 0; }
inline double omp_get_wtime() {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return double(now.tv_sec) + now.tv_nsec * 1e-9;
}
inline double omp_get_wtick() { return 1e-9; }

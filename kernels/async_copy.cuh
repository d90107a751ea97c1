// Copies that go on while the threads compute: cp.async, from Ampere on (sm_80).
//
// A load brings numbers into registers, and whoever stores them must wait for them, 500 cycles or so. Here a thread
// says where from and where to, and goes on. Two things it must not forget: to wait before it reads what came, and a
// barrier after that, for the others have copied too, and nobody sees what another's copies have brought until both
// have come to a barrier since.
#pragma once
#include "common.cuh"

// 16 bytes from global to shared memory, or zeros where there are none; both addresses are multiples of 16.
template <typename T>
__device__ __forceinline__ void start_copy(T* to, const T* from, bool there) {
    unsigned address = __cvta_generic_to_shared(to);
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(from), "r"(there ? 16 : 0)
                 : "memory");
}

// Until all that this thread has started is there.
__device__ __forceinline__ void wait_for_copies() {
    asm volatile("cp.async.wait_all;" ::: "memory");
}

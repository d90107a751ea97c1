// What a running kernel, the checker and the profiler see of the emulator's runtime (runtime.cpp).
//
// One thread of the operating system runs every block in turn. The CUDA threads of a block are fibers: each has a stack
// of its own and runs until it must wait, at a barrier or for the other lanes of its warp; then another one runs.
// No header of the system is included here: a small kernel compiles in a fraction of a second.
#pragma once
#include "system.h"

#define EMULATOR_UNTRACED __attribute__((no_sanitize("thread")))  // its accesses are ours, not the kernel's

struct uint3 {
    unsigned x, y, z;
};
struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
    constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}
};

namespace emulator {

typedef unsigned long long Bits;  // a value of up to 8 bytes, whatever its type

constexpr unsigned MAX_THREADS = 1024;
constexpr unsigned LANES = 32;
constexpr unsigned MAX_SHARED = 227 * 1024;  // of one block, on the GPUs that allow the most
constexpr unsigned SHARED_GUARD = 1024;      // bytes behind the dynamic shared memory that must stay as they are
// Orders of the blocks; 0 is the ascending one, other numbers shuffle.
constexpr unsigned BACKWARDS = ~0u, FROM_A_THIRD = ~1u, FROM_TWO_THIRDS = ~2u;
constexpr unsigned long STACK_SIZE = 192 * 1024;
constexpr unsigned long STACK_GUARD = 64 * 1024;  // below each stack, memory that faults: a page or more everywhere

// A place in the reader's source. As the last, defaulted parameter of a function it is where that function was called.
struct Place {
    const char* file;
    int line;
    static constexpr Place here(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
        return {file, line};
    }
};

enum State : unsigned char { READY, AT_WARP, AT_BLOCK, EXITED };

struct Fiber {        // one CUDA thread
    uint3 thread;     // threadIdx
    unsigned number;  // in its block, x fastest; its warp is number / 32, its lane number % 32
    unsigned turn;    // its place in the order in which its warp's lanes run
    State state;
    Place waits_at;       // where, if it waits
    void* stack_pointer;  // while it does not run
    char* stack;          // the lowest address
};

// A warp operation that some lanes have reached and others have not.
enum Operation : unsigned char { SYNCWARP, SHUFFLE, VOTE, MATCH, ACTIVE };
struct Meeting {
    unsigned mask;     // the lanes that take part
    unsigned arrived;  // those that wait here
    Operation operation;
    Place place;
};
struct Warp {
    unsigned alive;  // lanes, one bit each, that have not returned
    unsigned ready;  // those that can run
    unsigned char order[LANES];
    Meeting meetings[LANES];  // those under way, one for each mask that lanes wait with
    unsigned meeting_count;
    Bits value[LANES];   // what each lane brought to its warp operation,
    int source[LANES];   // which lane's value it wants,
    Bits result[LANES];  // and what it got
};

extern Fiber* current;  // the one that runs
extern unsigned long long blocks_started;  // since the library was loaded
extern uint3 block_index;
extern dim3 block_size, grid_size;
extern Fiber fibers[MAX_THREADS];
extern Warp warps[MAX_THREADS / LANES];

// Barriers of the block. `id` tells two of them on one line apart. What `vote` adds up: all threads' predicates.
struct Votes {
    unsigned count, all, any;
};
void syncthreads(Place place, int id);
Votes syncthreads_votes(bool vote, Place place, int id);

// The barrier of all blocks, which are there at once only where the launch is a cooperative one: cooperative.cpp.
extern bool together;
void grid_sync(Place place);

// Warp operations: each returns when every lane of the mask that has not exited has come. Shuffle: the value of lane
// `source`. Vote: the lanes whose value is not 0. Match: the lanes whose value is the same as mine.
void syncwarp(unsigned mask, Place place);
Bits shuffle(unsigned mask, Bits value, int source, Place place);
unsigned vote(unsigned mask, Bits value, Place place);
unsigned match(unsigned mask, Bits value, Place place);
// Active: the lanes that come to the same place before they must wait for anything else.
unsigned active_mask(Place place = Place::here());

// An atomic has changed nothing: perhaps its thread waits for another one, which must run meanwhile.
void wait_for_change(const void* address);

// End the launch with a message; `kind` is a word or two for what went wrong.
[[noreturn]] __attribute__((format(printf, 3, 4))) void fail(const char* kind, Place place, const char* format, ...);

// Hooks of the checker and the profiler; in run mode they are nothing.
#if defined(EMULATOR_TRACE)
constexpr bool TRACED = true;
bool on_launch();                                       // false where there is no room to watch it
void on_block();                                        // a block starts
void on_block_end();                                    // its last thread has returned
void on_grid_barrier();                                 // all blocks have come to it
void* on_block_left();                                  // the running block waits there: what is to be kept of it,
void on_block_back(void* kept);                         // and it goes on
bool on_grid_end(bool failed, unsigned asked, unsigned* order);  // all blocks have run: once more, in this order?
void on_syncthreads(Place);                             // the last thread has arrived
void on_warp_operation(unsigned warp, const Meeting&);  // the last lane has arrived; `arrived` holds all of them
void on_exit();                                         // the current thread returns
void on_fence(bool device);                             // __threadfence(); or __threadfence_block()
void on_fail(const char* kind, Place, const char*);     // the current thread ends the launch with this message
void on_atomic(void* address, unsigned size, Place);    // the current thread reads and writes in one step,
void on_atomic_written(void* address);                  // and has written: atomicCAS may not
void on_compared(void* address);                        // it is atomicCAS, which finds out whether a guess still holds
void on_compare(void* address, unsigned size, Bits compare, Place);  // both, where what it compares with is known
void on_copied(const void* address, unsigned long size, bool written, Place);  // by memcpy and the like
#else
constexpr bool TRACED = false;
inline bool on_launch() { return true; }
inline void on_block() {}
inline void on_block_end() {}
inline void on_grid_barrier() {}
inline void* on_block_left() { return nullptr; }
inline void on_block_back(void*) {}
inline bool on_grid_end(bool, unsigned, unsigned*) { return false; }
inline void on_syncthreads(Place) {}
inline void on_warp_operation(unsigned, const Meeting&) {}
inline void on_exit() {}
inline void on_fence(bool) {}
inline void on_fail(const char*, Place, const char*) {}
inline void on_atomic(void*, unsigned, Place) {}
inline void on_atomic_written(void*) {}
inline void on_compared(void*) {}
inline void on_compare(void*, unsigned, Bits, Place) {}
inline void on_copied(const void*, unsigned long, bool, Place) {}
#endif

// The memory of this library's shared variables, static and dynamic, on the thread that launches.
struct SharedMemory {
    char* start;  // all of it; the dynamic part lies somewhere within
    unsigned long size;
    char* dynamic;
    unsigned dynamic_size;
};
extern SharedMemory shared_memory;

// Where a program's launch keeps the kernel's arguments: on a GPU they are in constant memory, and nobody's to watch.
struct Arguments {
    const void* start;
    unsigned long size;
};
extern Arguments kept_arguments;

// ---- the kernels of a library ----

struct Parameter {
    char kind;            // f, i, u, b as in NumPy's dtypes; v: void; ?: something else
    unsigned char size;   // bytes of one number
    unsigned char count;  // how many: 4 in a float4
    bool pointer, constant;
};

struct Kernel {
    const char* name;
    void (*call)(void** arguments);
    const Parameter* parameters;
    int parameter_count;
};

}  // namespace emulator

// printf in a kernel.
extern "C" __attribute__((format(printf, 1, 2))) int emulator_print(const char* format, ...);

// Defined by what Python puts behind a .cu file: the kernels, the last one without a name; whether any of them may call
// __threadfence(); and the dynamic shared memory. A kernel declares that by a name of its own, which is made another name
// of this.
extern "C" const emulator::Kernel emulator_kernels[];
extern "C" const bool emulator_fences;
extern "C" thread_local unsigned char emulator_dynamic_shared[emulator::MAX_SHARED + emulator::SHARED_GUARD];

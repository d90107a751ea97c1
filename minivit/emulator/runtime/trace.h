// A kernel compiled with -fsanitize=thread calls a function before every access to memory. Those functions are ours:
// trace.cpp finds out what was touched and tells check.cpp (is it right?) or profile.cpp (what does it cost?).
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "check_order.h"
#include "runtime.h"

namespace emulator {

enum class Mode : int { check = 1, profile = 2 };
enum class Act : unsigned char { read, write, atomic };

struct Buffer {       // an array argument; Python fills these in
    char* start;
    size_t bytes;
    size_t element;   // bytes of one
    int read_only;    // its parameter is a pointer to const
    int output;       // what it holds before the launch means nothing,
    unsigned char* set;  // except where this is not null: of every 4 bytes, whether somebody has written them
};

constexpr int SHARED = -1, NOWHERE = -2;  // instead of a buffer's number

struct Access {
    Act act;
    int buffer;        // its number, SHARED or NOWHERE
    long long offset;  // bytes from the buffer's start; for SHARED from the start of all shared memory
    size_t size;
    unsigned site;     // which instruction, see site_of
    unsigned thread;   // in its block
    bool looks;        // an atomicCAS that finds another value, and leaves it
};

extern Mode mode;
extern std::vector<Buffer> buffers;
extern unsigned last_site;  // of the latest access

// A number for a place in the program: bytes from the library's start, or the number of a Place with the top bit set.
constexpr unsigned NAMED_SITE = 0x80000000u;
unsigned site_of(const void* address);
unsigned site_of(Place place);
unsigned block_number();  // of the running block, x fastest

bool check_launch_start();  // false where there is no room
void check_block_start();
void check_grid_barrier();  // of a cooperative launch
void* check_block_left();
void check_block_back(void* kept);
void check_access(const Access& access, const void* address);
void check_block_barrier(Place place);
void check_warp_barrier(unsigned warp, unsigned lanes);
void check_fence(bool device);
void check_atomic_written(const void* address);
void check_compared(const Access& access);
bool check_released();     // has a thread made known, by an atomic, what it has done?
bool check_start_again();  // the same launch, from its beginning
void again_launch_start();
void again_access();
void again_no_more();
bool running_again();
void check_launch_end();  // after a launch that came to its end
void note_failure(const char* kind, Place place, const char* text);  // the runtime has found something itself
[[noreturn]] void stop_for(const char* kind, const Access& access);  // what cannot be carried out

void profile_launch_start();
void profile_access(const Access& access);
void profile_close(unsigned warp);  // the warp's lanes have met: count what they asked for since they last did
void profile_close_all();

void watch_signals(unsigned seconds);
void unwatch_signals();

}  // namespace emulator

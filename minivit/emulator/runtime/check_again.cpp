// A kernel whose blocks tell one another what they have done is run again with its blocks in other orders: what one
// block finds done by another must not depend on which of them came first. The reader sees the memory and the messages of
// the first run.
#include <cstring>

#include "check.h"

namespace emulator {
namespace {

constexpr unsigned ORDERS[] = {BACKWARDS, FROM_A_THIRD, FROM_TWO_THIRDS, 0, 1, 2};

std::vector<std::vector<char>> held_before, held_after;  // by the buffers: the launch, its first run
unsigned tried;
bool first_run;
unsigned long long accesses, most_accesses;

std::vector<std::vector<char>> kept() {
    std::vector<std::vector<char>> contents;
    for (const Buffer& b : buffers) contents.emplace_back(b.start, b.read_only ? b.start : b.start + b.bytes);
    return contents;
}
void put_back(const std::vector<std::vector<char>>& contents) {
    for (size_t i = 0; i < buffers.size(); ++i)
        if (!contents[i].empty()) memcpy(buffers[i].start, contents[i].data(), contents[i].size());
}

}  // namespace

bool running_again() { return !first_run; }

void again_launch_start() {
    first_run = true;
    tried = 0;
    accesses = 0;
    most_accesses = ~0ull;
    held_before.clear();
    bool one_block = 1ull * grid_size.x * grid_size.y * grid_size.z == 1;
    if (mode == Mode::check && emulator_fences && !one_block) held_before = kept();
}

// A thread that waits for a block that comes later would wait for ever: that order is given up. On a GPU both may run
// at once.
void again_access() {
    if (++accesses > most_accesses) stop_launch();
}

bool on_grid_end(bool failed, unsigned asked, unsigned* order) {
    if (held_before.empty() || (first_run && (failed || !check_released()))) return false;
    if (first_run) {
        check_launch_end();
        held_after = kept();
        most_accesses = 4 * accesses + 100000;
        first_run = false;
    }
    if (tried < sizeof ORDERS / sizeof *ORDERS && ORDERS[tried] == asked) ++tried;
    if (tried >= sizeof ORDERS / sizeof *ORDERS) {
        put_back(held_after);
        return false;
    }
    *order = ORDERS[tried++];
    put_back(held_before);
    accesses = 0;
    check_start_again();
    return true;
}

void again_no_more() { tried = sizeof ORDERS / sizeof *ORDERS; }

}  // namespace emulator

// What was found: facts for Python, which has the words for them (minivit/emulator/trace/findings.py).
#pragma once
#include "trace.h"

namespace emulator {

constexpr unsigned NOBODY = 0xffffffffu;
constexpr const char* NO_ROOM = "no room";  // the kind that says: there is no memory to keep the diary in
constexpr const char* STOPPED = "stopped";  // the kind of error that says: a finding has been entered

struct Finding {  // Python reads this as it lies in memory
    const char* kind;
    const char* text;          // what more there is to say, or null
    unsigned long long count;  // how often
    long long offset;          // bytes
    unsigned size, site, earlier_site, block, thread, earlier_block, earlier_thread;
    int buffer, act, earlier_act;
    int after;  // of a race in a block: whether this thread, too, has been at the earlier place since the barrier
};

Finding here(const char* kind, Place place);  // the running thread, at a place of the source
void add_finding(const Finding& finding);     // or count it, if the same instructions have shown it before
[[noreturn]] void stop_launch();

}  // namespace emulator

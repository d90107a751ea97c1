// What one system has otherwise than another: where a library and its thread-local memory lie, where a signal came
// from, and what the linker calls things. Linux is tried; for macOS all of it is compiled, and nothing was ever run.
#pragma once

// A function's name in assembly: macOS puts an underscore before it.
#define EMULATOR_TEXT(...) #__VA_ARGS__
#define EMULATOR_TEXT_OF(...) EMULATOR_TEXT(__VA_ARGS__)
#define EMULATOR_SYMBOL(NAME) EMULATOR_TEXT_OF(__USER_LABEL_PREFIX__) NAME

namespace emulator {

struct Span {
    char* start;
    unsigned long size;
    bool has(const void* address) const { return static_cast<unsigned long>((const char*)address - start) < size; }
};
Span this_library();                                // all of it: the variables of the reader's file are in it
Span thread_memory();                               // its thread-local variables, as the calling thread has them
const char* interrupted_at(const void* context);    // the instruction at which a signal came

}  // namespace emulator

// A function of the host that Python calls with arrays, as online judges do: the arrays lie in device memory meanwhile.
// This file and host.cpp are compiled as one.
#include "host_types.h"
#include "runtime.h"

// Memory with this content; an output starts as something, and counts as never written.
EXPORT void* emulator_give(const void* content, size_t bytes, const char* name, int home, int output) {
    void* memory = nullptr;
    if (allocate(&memory, bytes, Home(home), strdup(name), {"", 0})) return nullptr;  // Python does not keep it
    open_memory(true);
    memcpy(memory, content, bytes);
    open_memory(false);
    if (!output) mark(memory, bytes);
    return memory;
}
// What is in it now, and it is freed; false where the function has freed it.
EXPORT bool emulator_take(void* memory, void* content, size_t bytes) {
    Allocation* a = find(memory);
    if (!a) return false;
    size_t unset = 0;
    for (size_t i = 0; a->set && i * 4 < bytes; ++i) unset += !a->set[i];
    if (unset && !sticky)
        tell("unwritten", false, {"", 0}, "%zu of the %zu bytes of %s are never written", unset * 4, bytes, a->name);
    open_memory(true);
    memcpy(content, memory, bytes);
    open_memory(false);
    return release(memory, a->home, {"", 0}) == cudaSuccess || sticky;
}
// Why a launch or a call failed, be it in words or by its name alone; null where nothing did.
EXPORT const char* emulator_call(int number, void** arguments) {
    emulator_kernels[number].call(arguments);
    error_asked_for = true;  // by the caller, now
    cudaError_t error = sticky ? sticky : last_error;
    if (!error) return nullptr;
    static char text[4400];
    snprintf(text, sizeof text, "%s: %s", cudaGetErrorName(error),
             sticky && *message ? message : cudaGetErrorString(error));
    return text;
}

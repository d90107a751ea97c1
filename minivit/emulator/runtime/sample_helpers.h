// What CUDA's samples have in helper_cuda.h, helper_timer.h and helper_string.h, which many programs copy: their part
// that needs no GPU. Where a program brings those headers along, these are not read.
#pragma once
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EXIT_WAIVED 2
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define MIN(a, b) ((a) < (b) ? (a) : (b))

template <typename T>
inline void emulator_check(T result, const char* call, emulator::Place here = emulator::Place::here()) {
    if (!result) return;
    fprintf(stderr, "CUDA error at %s:%d code=%d(%s) \"%s\"\n", here.file, here.line, int(result),
            cudaGetErrorName(cudaError_t(result)), call);
    exit(EXIT_FAILURE);
}
#define checkCudaErrors(...) emulator_check((__VA_ARGS__), #__VA_ARGS__)
#define getLastCudaError(message) emulator_check(cudaGetLastError(), message)
inline int findCudaDevice(int, const char**) { return 0; }
inline int gpuGetMaxGflopsDeviceId() { return 0; }
inline int _ConvertSMVer2Cores(int, int) { return 64; }

struct StopWatchInterface {
    double total = 0, begun = 0;
    static double now() {
        timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return t.tv_sec * 1e3 + t.tv_nsec * 1e-6;
    }
};
inline bool sdkCreateTimer(StopWatchInterface** timer) { return *timer = new StopWatchInterface, true; }
inline bool sdkDeleteTimer(StopWatchInterface** timer) { return delete *timer, *timer = nullptr, true; }
inline bool sdkStartTimer(StopWatchInterface** timer) { return (*timer)->begun = StopWatchInterface::now(), true; }
inline bool sdkStopTimer(StopWatchInterface** timer) {
    return (*timer)->total += StopWatchInterface::now() - (*timer)->begun, true;
}
inline bool sdkResetTimer(StopWatchInterface** timer) { return **timer = StopWatchInterface{}, true; }
inline float sdkGetTimerValue(StopWatchInterface** timer) { return float((*timer)->total); }
inline float sdkGetAverageTimerValue(StopWatchInterface** timer) { return float((*timer)->total); }

// -name or --name, and -name=value, among the words of the command line.
inline const char* emulator_flag(int count, const char** words, const char* name) {
    for (int i = 1; i < count; ++i) {
        const char* word = words[i];
        while (*word == '-') ++word;
        size_t length = strlen(name);
        if (word != words[i] && !strncmp(word, name, length) && (!word[length] || word[length] == '='))
            return word + length + (word[length] == '=');
    }
    return nullptr;
}
inline bool checkCmdLineFlag(int count, const char** words, const char* name) {
    return emulator_flag(count, words, name) != nullptr;
}
inline int getCmdLineArgumentInt(int count, const char** words, const char* name) {
    const char* value = emulator_flag(count, words, name);
    return value ? atoi(value) : 0;
}
inline float getCmdLineArgumentFloat(int count, const char** words, const char* name) {
    const char* value = emulator_flag(count, words, name);
    return value ? float(atof(value)) : 0;
}
inline bool getCmdLineArgumentString(int count, const char** words, const char* name, char** text) {
    const char* value = emulator_flag(count, words, name);
    return *text = const_cast<char*>(value), value != nullptr;
}

// CUDA's runtime as a program's host code calls it. host.cpp, host_launch.cpp and host_device.cpp do it.
// All is done when it is called, so streams are in order by themselves.
#pragma once
#include <tuple>
#include <utility>

#include "host_types.h"
#include "runtime.h"

#define printf(...) emulator_print(__VA_ARGS__)
namespace std {
using ::emulator_print;
}

#define HERE emulator::Place here = emulator::Place::here()

// ---- memory ----

namespace emulator {
enum class Home : int { host, device, pinned, managed };  // where memory was asked for
cudaError_t allocate(void** pointer, size_t bytes, Home home, const char* name, Place here);
cudaError_t release(void* pointer, Home home, Place here);
cudaError_t copy(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width, size_t height,
                 cudaMemcpyKind kind, const char* call, Place here);
cudaError_t fill(void* to, size_t pitch, int byte, size_t width, size_t height, const char* call, Place here);
cudaError_t remember(cudaError_t error);  // for cudaGetLastError
void know_symbol(const void* start, size_t bytes);
cudaError_t refuse(cudaError_t error, Place here, const char* format, ...) __attribute__((format(printf, 3, 4)));
cudaError_t pointer_attributes(cudaPointerAttributes* attributes, const void* pointer);
void device_properties(cudaDeviceProp* properties);
}  // namespace emulator

constexpr emulator::Home emulator_on_device = emulator::Home::device;
// Macros, so that a finding can call the memory by the name of the pointer that it was asked for with.
#define cudaMalloc(pointer, ...) emulator_allocate(pointer, __VA_ARGS__, emulator_on_device, #pointer)
#define cudaMallocManaged(pointer, ...) emulator_managed(#pointer, pointer, __VA_ARGS__)
template <typename T>
inline cudaError_t emulator_allocate(T** pointer, size_t bytes, emulator::Home home, const char* name, HERE) {
    return emulator::allocate((void**)pointer, bytes, home, name, here);
}
template <typename T>
inline cudaError_t emulator_managed(const char* name, T** pointer, size_t bytes, unsigned = 1, HERE) {
    return emulator::allocate((void**)pointer, bytes, emulator::Home::managed, name, here);
}
template <typename T>
inline cudaError_t cudaMallocHost(T** pointer, size_t bytes, unsigned = 0, HERE) {
    return emulator::allocate((void**)pointer, bytes, emulator::Home::pinned, "pinned memory", here);
}
template <typename T>
inline cudaError_t cudaHostAlloc(T** pointer, size_t bytes, unsigned, HERE) {
    return emulator::allocate((void**)pointer, bytes, emulator::Home::pinned, "pinned memory", here);
}
template <typename T>
inline cudaError_t cudaMallocPitch(T** pointer, size_t* pitch, size_t width, size_t height, HERE) {
    *pitch = (width + 511) / 512 * 512;
    return emulator::allocate((void**)pointer, *pitch * height, emulator::Home::device, "pitched memory", here);
}
template <typename T>
inline cudaError_t cudaMallocAsync(T** pointer, size_t bytes, cudaStream_t, HERE) {
    return emulator::allocate((void**)pointer, bytes, emulator::Home::device, "memory", here);
}
inline cudaError_t cudaFree(void* pointer, HERE) { return emulator::release(pointer, emulator::Home::device, here); }
inline cudaError_t cudaFreeAsync(void* pointer, cudaStream_t, HERE) {
    return emulator::release(pointer, emulator::Home::device, here);
}
inline cudaError_t cudaFreeHost(void* pointer, HERE) {
    return emulator::release(pointer, emulator::Home::pinned, here);
}
template <typename T>
inline cudaError_t cudaHostGetDevicePointer(T** device, void* host, unsigned) {
    *device = (T*)host;
    return cudaSuccess;
}
inline cudaError_t cudaHostRegister(void*, size_t, unsigned) { return cudaSuccess; }
inline cudaError_t cudaHostUnregister(void*) { return cudaSuccess; }

inline cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, HERE) {
    return emulator::copy(to, bytes, from, bytes, bytes, 1, kind, "cudaMemcpy", here);
}
inline cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t = 0,
                                   HERE) {
    return emulator::copy(to, bytes, from, bytes, bytes, 1, kind, "cudaMemcpyAsync", here);
}
inline cudaError_t cudaMemcpy2D(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width,
                                size_t height, cudaMemcpyKind kind, HERE) {
    return emulator::copy(to, to_pitch, from, from_pitch, width, height, kind, "cudaMemcpy2D", here);
}
inline cudaError_t cudaMemcpy2DAsync(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width,
                                     size_t height, cudaMemcpyKind kind, cudaStream_t = 0, HERE) {
    return emulator::copy(to, to_pitch, from, from_pitch, width, height, kind, "cudaMemcpy2DAsync", here);
}
inline cudaError_t cudaMemset(void* to, int byte, size_t bytes, HERE) {
    return emulator::fill(to, bytes, byte, bytes, 1, "cudaMemset", here);
}
inline cudaError_t cudaMemsetAsync(void* to, int byte, size_t bytes, cudaStream_t = 0, HERE) {
    return emulator::fill(to, bytes, byte, bytes, 1, "cudaMemsetAsync", here);
}

// A variable of the file: __device__ or __constant__.
template <typename T>
inline cudaError_t cudaMemcpyToSymbol(T& symbol, const void* from, size_t bytes, size_t offset = 0,
                                      cudaMemcpyKind = cudaMemcpyHostToDevice, HERE) {
    if (offset + bytes > sizeof(symbol))
        return emulator::refuse(cudaErrorInvalidValue, here, "cudaMemcpyToSymbol: %zu bytes at byte %zu of a variable "
                                "of %zu", bytes, offset, sizeof(symbol));
    memcpy((char*)&symbol + offset, from, bytes);
    return cudaSuccess;
}
template <typename T>
inline cudaError_t cudaMemcpyFromSymbol(void* to, const T& symbol, size_t bytes, size_t offset = 0,
                                        cudaMemcpyKind = cudaMemcpyDeviceToHost, HERE) {
    if (offset + bytes > sizeof(symbol))
        return emulator::refuse(cudaErrorInvalidValue, here, "cudaMemcpyFromSymbol: %zu bytes at byte %zu of a "
                                "variable of %zu", bytes, offset, sizeof(symbol));
    memcpy(to, (const char*)&symbol + offset, bytes);
    return cudaSuccess;
}
template <typename P, typename T>
inline cudaError_t cudaGetSymbolAddress(P** pointer, const T& symbol) {
    *pointer = (P*)&symbol;
    return emulator::know_symbol(&symbol, sizeof symbol), cudaSuccess;
}
template <typename T>
inline cudaError_t cudaGetSymbolSize(size_t* bytes, const T& symbol) {
    *bytes = sizeof(symbol);
    return cudaSuccess;
}
inline cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
    *free = *total = size_t(16) << 30;
    return cudaSuccess;
}
template <typename... A>
inline cudaError_t cudaMemPrefetchAsync(A...) {
    return cudaSuccess;
}
template <typename... A>
inline cudaError_t cudaMemAdvise(A...) {
    return cudaSuccess;
}
inline cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
    return emulator::pointer_attributes(attributes, pointer);
}

#include "host_launch.h"

// ---- errors, the device, streams and events ----

cudaError_t cudaGetLastError();
cudaError_t cudaPeekAtLastError();
const char* cudaGetErrorString(cudaError_t error);
const char* cudaGetErrorName(cudaError_t error);
cudaError_t cudaDeviceSynchronize();
#define cudaThreadSynchronize cudaDeviceSynchronize
cudaError_t cudaDeviceReset(HERE);
inline cudaError_t cudaSetDevice(int device, HERE) {
    if (!device) return cudaSuccess;
    return emulator::refuse(cudaErrorInvalidDevice, here, "cudaSetDevice(%d): there is one device, number 0", device);
}
inline cudaError_t cudaGetDevice(int* device) { return *device = 0, cudaSuccess; }
inline cudaError_t cudaGetDeviceCount(int* count) { return *count = 1, cudaSuccess; }
inline cudaError_t cudaChooseDevice(int* device, const cudaDeviceProp*) { return *device = 0, cudaSuccess; }
inline cudaError_t cudaDeviceCanAccessPeer(int* can, int, int) { return *can = 0, cudaSuccess; }
inline cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
    return *least = *greatest = 0, cudaSuccess;
}
inline cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
    return emulator::device_properties(properties), cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device);
inline cudaError_t cudaDeviceSetCacheConfig(cudaFuncCache) { return cudaSuccess; }
inline cudaError_t cudaDeviceSetSharedMemConfig(int) { return cudaSuccess; }
inline cudaError_t cudaDeviceSetLimit(cudaLimit, size_t) { return cudaSuccess; }
inline cudaError_t cudaRuntimeGetVersion(int* version) { return *version = 13000, cudaSuccess; }
inline cudaError_t cudaDriverGetVersion(int* version) { return *version = 13000, cudaSuccess; }
inline cudaError_t cudaProfilerStart() { return cudaSuccess; }
inline cudaError_t cudaProfilerStop() { return cudaSuccess; }
inline cudaError_t cudaSetDeviceFlags(unsigned) { return cudaSuccess; }

inline cudaError_t cudaStreamCreate(cudaStream_t* stream) { return *stream = new emulator_stream, cudaSuccess; }
inline cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) { return cudaStreamCreate(stream); }
inline cudaError_t cudaStreamDestroy(cudaStream_t stream) { return delete stream, cudaSuccess; }
inline cudaError_t cudaStreamSynchronize(cudaStream_t) { return cudaDeviceSynchronize(); }
inline cudaError_t cudaStreamQuery(cudaStream_t) { return cudaSuccess; }
inline cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned = 0) { return cudaSuccess; }
inline cudaError_t cudaStreamAddCallback(cudaStream_t stream, void (*call)(cudaStream_t, cudaError_t, void*), void* data,
                                         unsigned) {
    return call(stream, cudaPeekAtLastError(), data), cudaSuccess;
}
inline cudaError_t cudaLaunchHostFunc(cudaStream_t, void (*call)(void*), void* data) { return call(data), cudaSuccess; }
cudaError_t cudaEventCreate(cudaEvent_t* event);
inline cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) { return cudaEventCreate(event); }
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t = 0);
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t first, cudaEvent_t last);
cudaError_t cudaEventDestroy(cudaEvent_t event);
inline cudaError_t cudaEventSynchronize(cudaEvent_t) { return cudaDeviceSynchronize(); }
inline cudaError_t cudaEventQuery(cudaEvent_t) { return cudaSuccess; }

#undef HERE
#include "host_seldom.h"

#define EMULATOR_MAIN                                              \
    extern "C" int emulator_users_main(int, char**) __asm__(EMULATOR_SYMBOL("main")); \
    extern "C" __attribute__((visibility("default"))) int emulator_main(int count, char** words) { \
        return emulator_users_main(count, words);                  \
    }

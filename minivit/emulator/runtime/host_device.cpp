// The device that a program sees, its errors and events. This file, host.cpp and host_launch.cpp are compiled as one.

namespace emulator {

// ---- the device ----

void device_properties(cudaDeviceProp* p) {
    memset(p, 0, sizeof *p);
    snprintf(p->name, sizeof p->name, "minivit's emulator, as an A100");
    p->totalGlobalMem = size_t(16) << 30;
    p->sharedMemPerBlock = 48 * 1024;
    p->sharedMemPerBlockOptin = 163 * 1024;
    p->sharedMemPerMultiprocessor = 164 * 1024;
    p->totalConstMem = 64 * 1024;
    p->memPitch = 0x7fffffff;
    p->textureAlignment = 512;
    p->regsPerBlock = p->regsPerMultiprocessor = 65536;
    p->warpSize = 32;
    p->maxThreadsPerBlock = p->maxThreadsDim[0] = p->maxThreadsDim[1] = 1024;
    p->maxThreadsDim[2] = 64;
    p->maxGridSize[0] = 0x7fffffff;
    p->maxGridSize[1] = p->maxGridSize[2] = 65535;
    p->clockRate = 1410000;
    p->major = 8;
    p->multiProcessorCount = 108;
    p->canMapHostMemory = p->concurrentKernels = p->unifiedAddressing = p->managedMemory = 1;
    p->concurrentManagedAccess = p->cooperativeLaunch = 1;
    p->memoryClockRate = 1215000;
    p->memoryBusWidth = 5120;
    p->l2CacheSize = 40 << 20;
    p->maxThreadsPerMultiProcessor = 2048;
    p->maxBlocksPerMultiProcessor = 32;
    p->asyncEngineCount = 3;
}

static double milliseconds() {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1e3 + now.tv_nsec * 1e-6;
}

}  // namespace emulator

using namespace emulator;

static const struct {
    cudaError_t error;
    const char *name, *text;
} ERRORS[] = {
#define ERROR(NAME, TEXT) {NAME, #NAME, TEXT},
    ERROR(cudaSuccess, "no error")
    ERROR(cudaErrorInvalidValue, "invalid argument")
    ERROR(cudaErrorMemoryAllocation, "out of memory")
    ERROR(cudaErrorInitializationError, "initialization error")
    ERROR(cudaErrorInvalidConfiguration, "invalid configuration argument")
    ERROR(cudaErrorInvalidSymbol, "invalid device symbol")
    ERROR(cudaErrorInvalidDevicePointer, "invalid device pointer")
    ERROR(cudaErrorInvalidMemcpyDirection, "invalid copy direction for memcpy")
    ERROR(cudaErrorInvalidDeviceFunction, "invalid device function")
    ERROR(cudaErrorNoDevice, "no CUDA-capable device is detected")
    ERROR(cudaErrorInvalidDevice, "invalid device ordinal")
    ERROR(cudaErrorInvalidResourceHandle, "invalid resource handle")
    ERROR(cudaErrorNotReady, "device not ready")
    ERROR(cudaErrorIllegalAddress, "an illegal memory access was encountered")
    ERROR(cudaErrorLaunchOutOfResources, "too many resources requested for launch")
    ERROR(cudaErrorLaunchTimeout, "the launch timed out and was terminated")
    ERROR(cudaErrorAssert, "device-side assert triggered")
    ERROR(cudaErrorMisalignedAddress, "misaligned address")
    ERROR(cudaErrorLaunchFailure, "unspecified launch failure")
    ERROR(cudaErrorCooperativeLaunchTooLarge, "too many blocks in cooperative launch")
    ERROR(cudaErrorNotSupported, "operation not supported")
    ERROR(cudaErrorUnknown, "unknown error")
#undef ERROR
};
const char* cudaGetErrorString(cudaError_t error) {
    for (auto& known : ERRORS)
        if (known.error == error) return known.text;
    return "unrecognized error code";
}
const char* cudaGetErrorName(cudaError_t error) {
    for (auto& known : ERRORS)
        if (known.error == error) return known.name;
    return "cudaErrorUnknown";
}
cudaError_t cudaGetLastError() {
    error_asked_for = true;
    cudaError_t error = sticky ? sticky : last_error;
    last_error = cudaSuccess;
    return error;
}
cudaError_t cudaPeekAtLastError() {
    error_asked_for = true;
    return sticky ? sticky : last_error;
}
cudaError_t cudaDeviceSynchronize() {
    if (sticky) error_asked_for = true;
    return sticky;
}
cudaError_t cudaDeviceReset(Place) {
    while (allocation_count) {
        Allocation& a = allocations[--allocation_count];
        munmap(a.pages - GAP, a.room + 2 * GAP);
        free(a.set);
    }
    sticky = last_error = cudaSuccess;
    return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
    cudaDeviceProp p;
    device_properties(&p);
    switch (attribute) {
        case cudaDevAttrMaxThreadsPerBlock:
        case cudaDevAttrMaxBlockDimX: *value = p.maxThreadsPerBlock; break;
        case cudaDevAttrMaxGridDimX: *value = p.maxGridSize[0]; break;
        case cudaDevAttrMaxSharedMemoryPerBlock: *value = int(p.sharedMemPerBlock); break;
        case cudaDevAttrWarpSize: *value = 32; break;
        case cudaDevAttrIntegrated:
        case cudaDevAttrComputeMode: *value = 0; break;
        case cudaDevAttrMaxRegistersPerBlock: *value = p.regsPerBlock; break;
        case cudaDevAttrClockRate: *value = p.clockRate; break;
        case cudaDevAttrMultiProcessorCount: *value = p.multiProcessorCount; break;
        case cudaDevAttrMemoryClockRate: *value = p.memoryClockRate; break;
        case cudaDevAttrGlobalMemoryBusWidth: *value = p.memoryBusWidth; break;
        case cudaDevAttrL2CacheSize: *value = p.l2CacheSize; break;
        case cudaDevAttrMaxThreadsPerMultiProcessor: *value = p.maxThreadsPerMultiProcessor; break;
        case cudaDevAttrComputeCapabilityMajor: *value = p.major; break;
        case cudaDevAttrComputeCapabilityMinor: *value = p.minor; break;
        case cudaDevAttrMaxSharedMemoryPerMultiprocessor: *value = int(p.sharedMemPerMultiprocessor); break;
        case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = int(p.sharedMemPerBlockOptin); break;
        default: *value = 1;
    }
    return cudaSuccess;
}
cudaError_t cudaEventCreate(cudaEvent_t* event) {
    *event = static_cast<emulator_event*>(malloc(sizeof(emulator_event)));
    (*event)->at = -1;
    return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t) {
    event->at = milliseconds();
    return sticky;
}
cudaError_t cudaEventElapsedTime(float* elapsed, cudaEvent_t first, cudaEvent_t last) {
    if (first->at < 0 || last->at < 0) return remember(cudaErrorInvalidResourceHandle);
    *elapsed = float(last->at - first->at);
    return sticky;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
    free(event);
    return cudaSuccess;
}

// printf in a kernel is kept until the launch is over; in the host's code it is printf.
extern "C" int emulator_print(const char* format, ...) {
    va_list values;
    va_start(values, format);
    int n = current ? print_in_kernel(format, values) : vprintf(format, values);
    va_end(values);
    return n;
}

extern "C" void __assert_fail(const char* condition, const char* file, unsigned line, const char*) noexcept {
    if (current) fail("assert", {file, int(line)}, "assert(%s) failed", condition);
    fflush(stdout);
    fprintf(stderr, "%s:%u: assert(%s) failed\n", file, line, condition);
    if (on_over) on_over();
    _exit(134);
}

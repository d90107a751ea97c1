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
    p->deviceOverlap = p->streamPrioritiesSupported = p->globalL1CacheSupported = p->localL1CacheSupported = 1;
    p->computePreemptionSupported = p->hostRegisterSupported = p->canUseHostPointerForRegisteredMem = 1;
    p->singleToDoublePrecisionPerfRatio = 2;
    p->persistingL2CacheMaxSize = 30 << 20;
    p->accessPolicyMaxWindowSize = 128 << 20;
    p->texturePitchAlignment = 32;
    p->surfaceAlignment = 512;
    p->reservedSharedMemPerBlock = 1024;
    p->maxTexture1D = p->maxTexture2D[0] = p->maxSurface2D[0] = 131072;
    p->maxTexture2D[1] = p->maxSurface2D[1] = 65536;
    p->maxTexture3D[0] = p->maxTexture3D[1] = p->maxTexture3D[2] = 16384;
    p->maxTexture1DLayered[0] = p->maxTexture2DLayered[0] = p->maxTexture2DLayered[1] = 32768;
    p->maxTexture1DLayered[1] = p->maxTexture2DLayered[2] = 2048;
    p->maxTexture1DLinear = 1 << 28;
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
#define ERROR(NAME, NUMBER, TEXT) {NAME, #NAME, TEXT},
    EMULATOR_ERRORS(ERROR)
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
#define PROPERTY(NAME, NUMBER, VALUE) case cudaDevAttr##NAME: return *value = int(p.VALUE), cudaSuccess;
        EMULATOR_ATTRIBUTES(PROPERTY)
#undef PROPERTY
    }
    return remember(cudaErrorInvalidValue);
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

[[noreturn]] static void assert_failed(const char* condition, const char* file, int line) {
    if (current) fail("assert", {file, line}, "assert(%s) failed", condition);
    fflush(stdout);
    fprintf(stderr, "%s:%d: assert(%s) failed\n", file, line, condition);
    if (on_over) on_over();
    _exit(134);
}
#if defined(__APPLE__)
extern "C" void __assert_rtn(const char*, const char* file, int line, const char* condition) {
    assert_failed(condition, file, line);
}
#else
extern "C" void __assert_fail(const char* condition, const char* file, unsigned line, const char*) noexcept {
    assert_failed(condition, file, int(line));
}
#endif

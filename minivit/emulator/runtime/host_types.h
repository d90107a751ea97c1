// The types and numbers of CUDA's runtime.
#pragma once
#include <cstddef>

#include "device_types.h"

// Each error: its name, its number, what cudaGetErrorString says of it.
#define EMULATOR_ERRORS(E)                                                                                  \
    E(cudaSuccess, 0, "no error")                                                                           \
    E(cudaErrorInvalidValue, 1, "invalid argument")                                                         \
    E(cudaErrorMemoryAllocation, 2, "out of memory")                                                        \
    E(cudaErrorInitializationError, 3, "initialization error")                                              \
    E(cudaErrorCudartUnloading, 4, "driver shutting down")                                                  \
    E(cudaErrorInvalidConfiguration, 9, "invalid configuration argument")                                   \
    E(cudaErrorInvalidPitchValue, 12, "invalid pitch argument")                                             \
    E(cudaErrorInvalidSymbol, 13, "invalid device symbol")                                                  \
    E(cudaErrorInvalidDevicePointer, 17, "invalid device pointer")                                          \
    E(cudaErrorInvalidMemcpyDirection, 21, "invalid copy direction for memcpy")                             \
    E(cudaErrorInsufficientDriver, 35, "CUDA driver version is insufficient for CUDA runtime version")      \
    E(cudaErrorDevicesUnavailable, 46, "CUDA-capable device(s) is/are busy or unavailable")                 \
    E(cudaErrorInvalidDeviceFunction, 98, "invalid device function")                                        \
    E(cudaErrorNoDevice, 100, "no CUDA-capable device is detected")                                         \
    E(cudaErrorInvalidDevice, 101, "invalid device ordinal")                                                \
    E(cudaErrorNoKernelImageForDevice, 209, "no kernel image is available for execution on the device")     \
    E(cudaErrorUnsupportedLimit, 215, "limit is not supported on this architecture")                        \
    E(cudaErrorPeerAccessUnsupported, 217, "peer access is not supported between these two devices")        \
    E(cudaErrorInvalidResourceHandle, 400, "invalid resource handle")                                       \
    E(cudaErrorNotReady, 600, "device not ready")                                                           \
    E(cudaErrorIllegalAddress, 700, "an illegal memory access was encountered")                             \
    E(cudaErrorLaunchOutOfResources, 701, "too many resources requested for launch")                        \
    E(cudaErrorLaunchTimeout, 702, "the launch timed out and was terminated")                               \
    E(cudaErrorPeerAccessAlreadyEnabled, 704, "peer access is already enabled")                             \
    E(cudaErrorPeerAccessNotEnabled, 705, "peer access has not been enabled")                               \
    E(cudaErrorAssert, 710, "device-side assert triggered")                                                 \
    E(cudaErrorHostMemoryAlreadyRegistered, 712, "part or all of the requested memory range is already mapped")\
    E(cudaErrorHostMemoryNotRegistered, 713, "pointer does not correspond to a registered memory region")   \
    E(cudaErrorMisalignedAddress, 716, "misaligned address")                                                \
    E(cudaErrorLaunchFailure, 719, "unspecified launch failure")                                            \
    E(cudaErrorCooperativeLaunchTooLarge, 720, "too many blocks in cooperative launch")                     \
    E(cudaErrorNotPermitted, 800, "operation not permitted")                                                \
    E(cudaErrorNotSupported, 801, "operation not supported")                                                \
    E(cudaErrorUnknown, 999, "unknown error")

enum cudaError_t {
#define EMULATOR_NUMBERED(NAME, NUMBER, TEXT) NAME = NUMBER,
    EMULATOR_ERRORS(EMULATOR_NUMBERED)
#undef EMULATOR_NUMBERED
};
typedef cudaError_t cudaError;

enum cudaMemcpyKind {
    cudaMemcpyHostToHost = 0,
    cudaMemcpyHostToDevice = 1,
    cudaMemcpyDeviceToHost = 2,
    cudaMemcpyDeviceToDevice = 3,
    cudaMemcpyDefault = 4
};

struct emulator_stream {};
struct emulator_event;
typedef emulator_stream* cudaStream_t;
typedef emulator_event* cudaEvent_t;

enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8, cudaFuncAttributePreferredSharedMemoryCarveout = 9 };
enum cudaFuncCache { cudaFuncCachePreferNone, cudaFuncCachePreferShared, cudaFuncCachePreferL1, cudaFuncCachePreferEqual };
enum cudaComputeMode { cudaComputeModeDefault, cudaComputeModeExclusive, cudaComputeModeProhibited };
enum cudaLimit {
    cudaLimitStackSize,
    cudaLimitPrintfFifoSize,
    cudaLimitMallocHeapSize,
    cudaLimitDevRuntimeSyncDepth,
    cudaLimitDevRuntimePendingLaunchCount,
    cudaLimitMaxL2FetchGranularity,
    cudaLimitPersistingL2CacheSize
};
enum cudaMemoryType { cudaMemoryTypeUnregistered, cudaMemoryTypeHost, cudaMemoryTypeDevice, cudaMemoryTypeManaged };
enum cudaMemoryAdvise {
    cudaMemAdviseSetReadMostly = 1,
    cudaMemAdviseUnsetReadMostly = 2,
    cudaMemAdviseSetPreferredLocation = 3,
    cudaMemAdviseUnsetPreferredLocation = 4,
    cudaMemAdviseSetAccessedBy = 5,
    cudaMemAdviseUnsetAccessedBy = 6
};

constexpr unsigned cudaStreamDefault = 0, cudaStreamNonBlocking = 1, cudaEventDefault = 0, cudaEventBlockingSync = 1,
                   cudaEventDisableTiming = 2, cudaHostAllocDefault = 0, cudaHostAllocPortable = 1,
                   cudaHostAllocMapped = 2, cudaHostAllocWriteCombined = 4, cudaHostRegisterDefault = 0,
                   cudaMemAttachGlobal = 1, cudaMemAttachHost = 2, cudaDeviceMapHost = 8, cudaDeviceScheduleAuto = 0;
constexpr int cudaCpuDeviceId = -1;
constexpr unsigned cudaDeviceScheduleSpin = 1, cudaDeviceScheduleYield = 2, cudaDeviceScheduleBlockingSync = 4,
                   cudaDeviceBlockingSync = 4, cudaHostRegisterMapped = 2, cudaHostRegisterPortable = 1,
                   cudaEventInterprocess = 4;
#define CUDART_CB
#define __DRIVER_TYPES_H__
#define __CUDA_RUNTIME_H__
#define CUDART_VERSION 13000

struct cudaPointerAttributes {
    cudaMemoryType type;
    int device;
    void *devicePointer, *hostPointer;
};
struct cudaFuncAttributes {
    size_t sharedSizeBytes, constSizeBytes, localSizeBytes;
    int maxThreadsPerBlock, numRegs, ptxVersion, binaryVersion, cacheModeCA, maxDynamicSharedSizeBytes;
};

const char* cudaGetErrorString(cudaError_t error);
const char* cudaGetErrorName(cudaError_t error);

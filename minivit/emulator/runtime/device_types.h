// What a program may ask of the device: cudaDeviceProp and cudaDevAttr..., as CUDA 12 has them and older files know them.
#pragma once
#include <cstddef>

struct cudaUUID_t {
    char bytes[16];
};

struct cudaDeviceProp {
    char name[256];
    cudaUUID_t uuid;
    size_t totalGlobalMem, sharedMemPerBlock, memPitch, totalConstMem, textureAlignment, texturePitchAlignment,
        surfaceAlignment, sharedMemPerMultiprocessor, sharedMemPerBlockOptin, reservedSharedMemPerBlock;
    int regsPerBlock, warpSize, maxThreadsPerBlock, maxThreadsDim[3], maxGridSize[3], clockRate, major, minor,
        deviceOverlap, multiProcessorCount, kernelExecTimeoutEnabled, integrated, canMapHostMemory, computeMode,
        concurrentKernels, ECCEnabled, pciBusID, pciDeviceID, pciDomainID, tccDriver, asyncEngineCount,
        unifiedAddressing, memoryClockRate, memoryBusWidth, l2CacheSize, persistingL2CacheMaxSize,
        maxThreadsPerMultiProcessor, regsPerMultiprocessor, managedMemory, isMultiGpuBoard, multiGpuBoardGroupID,
        concurrentManagedAccess, pageableMemoryAccess, pageableMemoryAccessUsesHostPageTables,
        directManagedMemAccessFromHost, cooperativeLaunch, cooperativeMultiDeviceLaunch, maxBlocksPerMultiProcessor,
        streamPrioritiesSupported, globalL1CacheSupported, localL1CacheSupported, hostNativeAtomicSupported,
        singleToDoublePrecisionPerfRatio, computePreemptionSupported, canUseHostPointerForRegisteredMem,
        accessPolicyMaxWindowSize, hostRegisterSupported, memoryPoolsSupported, clusterLaunch;
    int maxTexture1D, maxTexture1DMipmap, maxTexture1DLinear, maxTexture2D[2], maxTexture2DMipmap[2],
        maxTexture2DLinear[3], maxTexture2DGather[2], maxTexture3D[3], maxTexture3DAlt[3], maxTextureCubemap,
        maxTexture1DLayered[2], maxTexture2DLayered[3], maxTextureCubemapLayered[2], maxSurface1D, maxSurface2D[2],
        maxSurface3D[3], maxSurface1DLayered[2], maxSurface2DLayered[3], maxSurfaceCubemap, maxSurfaceCubemapLayered[2];
};

// Each attribute: its name after cudaDevAttr, its number, and the property that it is, or a number of an A100's.
#define EMULATOR_ATTRIBUTES(A)                                                    \
    A(MaxThreadsPerBlock, 1, maxThreadsPerBlock)                                  \
    A(MaxBlockDimX, 2, maxThreadsDim[0])                                          \
    A(MaxBlockDimY, 3, maxThreadsDim[1])                                          \
    A(MaxBlockDimZ, 4, maxThreadsDim[2])                                          \
    A(MaxGridDimX, 5, maxGridSize[0])                                             \
    A(MaxGridDimY, 6, maxGridSize[1])                                             \
    A(MaxGridDimZ, 7, maxGridSize[2])                                             \
    A(MaxSharedMemoryPerBlock, 8, sharedMemPerBlock)                              \
    A(TotalConstantMemory, 9, totalConstMem)                                      \
    A(WarpSize, 10, warpSize)                                                     \
    A(MaxPitch, 11, memPitch)                                                     \
    A(MaxRegistersPerBlock, 12, regsPerBlock)                                     \
    A(ClockRate, 13, clockRate)                                                   \
    A(TextureAlignment, 14, textureAlignment)                                     \
    A(GpuOverlap, 15, deviceOverlap)                                              \
    A(MultiProcessorCount, 16, multiProcessorCount)                               \
    A(KernelExecTimeout, 17, kernelExecTimeoutEnabled)                            \
    A(Integrated, 18, integrated)                                                 \
    A(CanMapHostMemory, 19, canMapHostMemory)                                     \
    A(ComputeMode, 20, computeMode)                                               \
    A(SurfaceAlignment, 30, surfaceAlignment)                                     \
    A(ConcurrentKernels, 31, concurrentKernels)                                   \
    A(EccEnabled, 32, ECCEnabled)                                                 \
    A(PciBusId, 33, pciBusID)                                                     \
    A(PciDeviceId, 34, pciDeviceID)                                               \
    A(TccDriver, 35, tccDriver)                                                   \
    A(MemoryClockRate, 36, memoryClockRate)                                       \
    A(GlobalMemoryBusWidth, 37, memoryBusWidth)                                   \
    A(L2CacheSize, 38, l2CacheSize)                                               \
    A(MaxThreadsPerMultiProcessor, 39, maxThreadsPerMultiProcessor)               \
    A(AsyncEngineCount, 40, asyncEngineCount)                                     \
    A(UnifiedAddressing, 41, unifiedAddressing)                                   \
    A(PciDomainId, 50, pciDomainID)                                               \
    A(ComputeCapabilityMajor, 75, major)                                          \
    A(ComputeCapabilityMinor, 76, minor)                                          \
    A(StreamPrioritiesSupported, 78, streamPrioritiesSupported)                   \
    A(GlobalL1CacheSupported, 79, globalL1CacheSupported)                         \
    A(LocalL1CacheSupported, 80, localL1CacheSupported)                           \
    A(MaxSharedMemoryPerMultiprocessor, 81, sharedMemPerMultiprocessor)           \
    A(MaxRegistersPerMultiprocessor, 82, regsPerMultiprocessor)                   \
    A(ManagedMemory, 83, managedMemory)                                           \
    A(IsMultiGpuBoard, 84, isMultiGpuBoard)                                       \
    A(MultiGpuBoardGroupID, 85, multiGpuBoardGroupID)                             \
    A(HostNativeAtomicSupported, 86, hostNativeAtomicSupported)                   \
    A(SingleToDoublePrecisionPerfRatio, 87, singleToDoublePrecisionPerfRatio)     \
    A(PageableMemoryAccess, 88, pageableMemoryAccess)                             \
    A(ConcurrentManagedAccess, 89, concurrentManagedAccess)                       \
    A(ComputePreemptionSupported, 90, computePreemptionSupported)                 \
    A(CanUseHostPointerForRegisteredMem, 91, canUseHostPointerForRegisteredMem)   \
    A(CooperativeLaunch, 95, cooperativeLaunch)                                   \
    A(CooperativeMultiDeviceLaunch, 96, cooperativeMultiDeviceLaunch)             \
    A(MaxSharedMemoryPerBlockOptin, 97, sharedMemPerBlockOptin)                   \
    A(HostRegisterSupported, 99, hostRegisterSupported)                           \
    A(PageableMemoryAccessUsesHostPageTables, 100, pageableMemoryAccessUsesHostPageTables) \
    A(DirectManagedMemAccessFromHost, 101, directManagedMemAccessFromHost)        \
    A(MaxBlocksPerMultiprocessor, 106, maxBlocksPerMultiProcessor)                \
    A(MaxPersistingL2CacheSize, 108, persistingL2CacheMaxSize)                    \
    A(MaxAccessPolicyWindowSize, 109, accessPolicyMaxWindowSize)                  \
    A(ReservedSharedMemoryPerBlock, 111, reservedSharedMemPerBlock)               \
    A(MemoryPoolsSupported, 115, memoryPoolsSupported)

enum cudaDeviceAttr {
#define EMULATOR_NUMBERED(NAME, NUMBER, PROPERTY) cudaDevAttr##NAME = NUMBER,
    EMULATOR_ATTRIBUTES(EMULATOR_NUMBERED)
#undef EMULATOR_NUMBERED
};
enum cudaDeviceP2PAttr {
    cudaDevP2PAttrPerformanceRank = 1,
    cudaDevP2PAttrAccessSupported = 2,
    cudaDevP2PAttrNativeAtomicSupported = 3,
    cudaDevP2PAttrCudaArrayAccessSupported = 4
};

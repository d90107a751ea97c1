// Calls of CUDA's runtime that few programs make, in terms of those of host.h.
#pragma once

#define HERE emulator::Place here = emulator::Place::here()

// ---- copies of variables in a stream, and of boxes ----

template <typename T>
inline cudaError_t cudaMemcpyToSymbolAsync(T& symbol, const void* from, size_t bytes, size_t offset, cudaMemcpyKind kind,
                                           cudaStream_t = 0, HERE) {
    return cudaMemcpyToSymbol(symbol, from, bytes, offset, kind, here);
}
template <typename T>
inline cudaError_t cudaMemcpyFromSymbolAsync(void* to, const T& symbol, size_t bytes, size_t offset, cudaMemcpyKind kind,
                                             cudaStream_t = 0, HERE) {
    return cudaMemcpyFromSymbol(to, symbol, bytes, offset, kind, here);
}

inline cudaError_t cudaMemset2D(void* to, size_t pitch, int byte, size_t width, size_t height, HERE) {
    return emulator::fill(to, pitch, byte, width, height, "cudaMemset2D", here);
}
inline cudaError_t cudaMemset2DAsync(void* to, size_t pitch, int byte, size_t width, size_t height, cudaStream_t = 0,
                                     HERE) {
    return emulator::fill(to, pitch, byte, width, height, "cudaMemset2DAsync", here);
}
struct cudaExtent {
    size_t width, height, depth;  // bytes, rows, slices
};
struct cudaPos {
    size_t x, y, z;
};
struct cudaPitchedPtr {
    void* ptr;
    size_t pitch, xsize, ysize;
};
struct cudaMemcpy3DParms {  // without its arrays, which are for textures
    cudaPos srcPos;
    cudaPitchedPtr srcPtr;
    cudaPos dstPos;
    cudaPitchedPtr dstPtr;
    cudaExtent extent;
    cudaMemcpyKind kind;
};
inline cudaExtent make_cudaExtent(size_t width, size_t height, size_t depth) { return {width, height, depth}; }
inline cudaPos make_cudaPos(size_t x, size_t y, size_t z) { return {x, y, z}; }
inline cudaPitchedPtr make_cudaPitchedPtr(void* pointer, size_t pitch, size_t xsize, size_t ysize) {
    return {pointer, pitch, xsize, ysize};
}
inline cudaError_t cudaMalloc3D(cudaPitchedPtr* memory, cudaExtent extent, HERE) {
    memory->xsize = extent.width;
    memory->ysize = extent.height;
    return cudaMallocPitch(&memory->ptr, &memory->pitch, extent.width, extent.height * extent.depth, here);
}
inline cudaError_t cudaMemset3D(cudaPitchedPtr memory, int byte, cudaExtent extent, HERE) {
    cudaError_t error = cudaSuccess;
    for (size_t z = 0; z < extent.depth && !error; ++z)
        error = cudaMemset2D((char*)memory.ptr + z * memory.pitch * memory.ysize, memory.pitch, byte, extent.width,
                             extent.height, here);
    return error;
}
inline cudaError_t cudaMemcpy3D(const cudaMemcpy3DParms* p, HERE) {
    const cudaPitchedPtr &to = p->dstPtr, &from = p->srcPtr;
    cudaError_t error = cudaSuccess;
    for (size_t z = 0; z < p->extent.depth && !error; ++z) {
        char* t = (char*)to.ptr + ((p->dstPos.z + z) * to.ysize + p->dstPos.y) * to.pitch + p->dstPos.x;
        char* f = (char*)from.ptr + ((p->srcPos.z + z) * from.ysize + p->srcPos.y) * from.pitch + p->srcPos.x;
        error = emulator::copy(t, to.pitch, f, from.pitch, p->extent.width, p->extent.height, p->kind, "cudaMemcpy3D", here);
    }
    return error;
}
inline cudaError_t cudaMemcpy3DAsync(const cudaMemcpy3DParms* p, cudaStream_t = 0, HERE) { return cudaMemcpy3D(p, here); }
template <typename... A>
inline cudaError_t cudaMemset3DAsync(cudaPitchedPtr memory, int byte, cudaExtent extent, cudaStream_t = 0, HERE) {
    return cudaMemset3D(memory, byte, extent, here);
}

// ---- other devices: there is none ----

inline cudaError_t cudaDeviceEnablePeerAccess(int, unsigned, HERE) {
    return emulator::refuse(cudaErrorInvalidDevice, here, "there is one device, which has no peer");
}
inline cudaError_t cudaDeviceDisablePeerAccess(int, HERE) {
    return emulator::refuse(cudaErrorInvalidDevice, here, "there is one device, which has no peer");
}
inline cudaError_t cudaMemcpyPeerAsync(void* to, int to_device, const void* from, int from_device, size_t bytes,
                                       cudaStream_t = 0, HERE) {
    if (to_device || from_device)
        return emulator::refuse(cudaErrorInvalidDevice, here, "there is one device, number 0");
    return cudaMemcpy(to, from, bytes, cudaMemcpyDeviceToDevice, here);
}
inline cudaError_t cudaMemcpyPeer(void* to, int to_device, const void* from, int from_device, size_t bytes, HERE) {
    return cudaMemcpyPeerAsync(to, to_device, from, from_device, bytes, 0, here);
}
inline cudaError_t cudaDeviceGetP2PAttribute(int* value, cudaDeviceP2PAttr, int, int) {
    return *value = 0, emulator::remember(cudaErrorInvalidDevice);
}
inline cudaError_t cudaDeviceGetPCIBusId(char* text, int length, int) {
    snprintf(text, size_t(length), "0000:00:00.0");
    return cudaSuccess;
}
inline cudaError_t cudaDeviceGetByPCIBusId(int* device, const char*) { return *device = 0, cudaSuccess; }
inline cudaError_t cudaGetDeviceFlags(unsigned* flags) { return *flags = 0, cudaSuccess; }
inline cudaError_t cudaSetValidDevices(int*, int) { return cudaSuccess; }
inline cudaError_t cudaDeviceGetLimit(size_t* value, cudaLimit limit) {
    return *value = limit == cudaLimitStackSize ? 1024 : limit == cudaLimitPrintfFifoSize ? 1 << 20 : 8 << 20, cudaSuccess;
}
inline cudaError_t cudaDeviceGetCacheConfig(cudaFuncCache* config) { return *config = cudaFuncCachePreferNone, cudaSuccess; }

enum cudaSharedMemConfig { cudaSharedMemBankSizeDefault, cudaSharedMemBankSizeFourByte, cudaSharedMemBankSizeEightByte };
inline cudaError_t cudaDeviceGetSharedMemConfig(cudaSharedMemConfig* config) {
    return *config = cudaSharedMemBankSizeFourByte, cudaSuccess;  // since 2014 there is no other
}
template <typename T>
inline cudaError_t cudaFuncSetSharedMemConfig(T, cudaSharedMemConfig) {
    return cudaSuccess;
}
#define cudaThreadExit cudaDeviceReset
#define cudaThreadSetCacheConfig cudaDeviceSetCacheConfig
#define cudaThreadSetLimit cudaDeviceSetLimit
#define cudaThreadGetLimit cudaDeviceGetLimit

// Where managed memory should lie, and what should stay in the cache: all the same here.
enum cudaMemLocationType { cudaMemLocationTypeInvalid, cudaMemLocationTypeDevice, cudaMemLocationTypeHost };
struct cudaMemLocation {
    cudaMemLocationType type;
    int id;
};
enum cudaAccessProperty { cudaAccessPropertyNormal, cudaAccessPropertyStreaming, cudaAccessPropertyPersisting };
struct cudaAccessPolicyWindow {
    void* base_ptr;
    size_t num_bytes;
    float hitRatio;
    cudaAccessProperty hitProp, missProp;
};
union cudaStreamAttrValue {
    cudaAccessPolicyWindow accessPolicyWindow;
    int priority;
};
enum cudaStreamAttrID { cudaStreamAttributeAccessPolicyWindow = 1, cudaStreamAttributePriority = 8 };
inline cudaError_t cudaStreamSetAttribute(cudaStream_t, cudaStreamAttrID, const cudaStreamAttrValue*) { return cudaSuccess; }
inline cudaError_t cudaCtxResetPersistingL2Cache() { return cudaSuccess; }

// ---- streams and events ----

#define cudaStreamFireAndForget ((cudaStream_t)4)  // of kernels that launch kernels
#define cudaStreamTailLaunch ((cudaStream_t)3)
#define cudaStreamLegacy ((cudaStream_t)1)
#define cudaStreamPerThread ((cudaStream_t)2)

inline cudaError_t cudaEventCreate(cudaEvent_t* event, unsigned) { return cudaEventCreate(event); }
inline cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream = 0, unsigned = 0) {
    return cudaEventRecord(event, stream);
}
inline cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned, int) { return cudaStreamCreate(stream); }
inline cudaError_t cudaStreamGetPriority(cudaStream_t, int* priority) { return *priority = 0, cudaSuccess; }
inline cudaError_t cudaStreamGetFlags(cudaStream_t, unsigned* flags) { return *flags = 0, cudaSuccess; }
template <typename T>
inline cudaError_t cudaStreamAttachMemAsync(cudaStream_t, T*, size_t = 0, unsigned = 4) {
    return cudaSuccess;
}
template <typename P>
inline cudaError_t cudaHostGetFlags(unsigned* flags, P*) {
    return *flags = 0, cudaSuccess;
}
template <typename T>
inline cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, T kernel, int threads,
                                                                         size_t shared, unsigned) {
    return cudaOccupancyMaxActiveBlocksPerMultiprocessor(blocks, kernel, threads, shared);
}
template <typename T, typename F>
inline cudaError_t cudaOccupancyMaxPotentialBlockSizeVariableSMem(int* grid, int* block, T kernel, F, int limit = 0) {
    return cudaOccupancyMaxPotentialBlockSize(grid, block, kernel, 0, limit);
}
template <typename T>
inline cudaError_t cudaOccupancyAvailableDynamicSMemPerBlock(size_t* bytes, T, int blocks, int) {
    return *bytes = size_t(164 * 1024 / blocks - 1024), cudaSuccess;
}

#undef HERE

// Launches as a program's host code writes them, and what it asks of kernels. A part of host.h, which includes it.
#pragma once

struct emulator_grid {
    dim3 grid, block;
    size_t shared;
    emulator_grid(dim3 grid, dim3 block, size_t shared = 0, cudaStream_t = 0)
        : grid(grid), block(block), shared(shared) {}
};
namespace emulator {
cudaError_t launch(const emulator_grid& how, const Kernel& kernel, void** arguments, Place here);
cudaError_t set_shared(int bytes, Place here);
bool check_pointers(const Kernel& kernel, void* const* arguments, Place here);

template <typename F>
struct Launcher {  // of kernel<<<how>>>: called with the kernel's arguments
    emulator_grid how;
    const char* name;
    F function;
    Place here;
    template <typename... A>
    void operator()(A... arguments) {
        typedef std::tuple<A...> Values;
        struct Call {
            F function;
            Values values;
            EMULATOR_UNTRACED static void run(void** call) {
                Call& me = *reinterpret_cast<Call*>(call);
                std::apply(me.function, me.values);
            }
        } call{function, Values(arguments...)};
        const Arguments before = kept_arguments;  // of the kernel, where a kernel launches another
        kept_arguments = {&call, sizeof call};
        static constexpr Parameter parameters[] = {Argument<A>::parameter..., Parameter{}};
        const Kernel kernel{name, Call::run, parameters, int(sizeof...(A))};
        void* pointers[] = {(void*)&arguments..., nullptr};
        if (check_pointers(kernel, pointers, here)) launch(how, kernel, reinterpret_cast<void**>(&call), here);
        kept_arguments = before;
    }
};
}  // namespace emulator
template <typename F>
inline emulator::Launcher<F> emulator_launch(emulator_grid how, const char* name, F function, HERE) {
    return {how, name, function, here};
}
namespace emulator {
template <typename... A>
struct Pointed {  // a kernel that is launched by its address
    static inline void (*function)(A...);
    static constexpr Parameter parameters[] = {Argument<A>::parameter..., Parameter{}};
    EMULATOR_UNTRACED static void run(void** arguments) { at(arguments, std::index_sequence_for<A...>()); }
    template <size_t... I>
    EMULATOR_UNTRACED static void at(void** arguments, std::index_sequence<I...>) {
        function(*static_cast<A*>(arguments[I])...);
    }
};
struct Known {  // a kernel whose address was taken as a void*: its type is lost, and is found again here
    const void* address;
    Kernel kernel;
    void (*choose)(const void* address);
};
void know(const Known& known);
const Known* known(const void* address);
cudaError_t launch_at(const Kernel& kernel, const emulator_grid& how, void** arguments, bool together, Place here);
}  // namespace emulator
template <typename... A>
inline void* emulator_address(const char* name, void (*function)(A...)) {
    typedef emulator::Pointed<A...> P;
    emulator::know({(const void*)function, {name, P::run, P::parameters, int(sizeof...(A))},
                    [](const void* address) { P::function = (void (*)(A...))address; }});
    return (void*)function;
}
// together: all blocks at once, so that grid.sync() is possible.
inline cudaError_t emulator_launch_at(const void* function, dim3 grid, dim3 block, void** arguments, size_t shared,
                                      bool together, emulator::Place here) {
    const emulator::Known* known = emulator::known(function);
    if (!known)
        return emulator::refuse(cudaErrorInvalidDeviceFunction, here, "what is launched is the address of no kernel");
    known->choose(function);
    return emulator::launch_at(known->kernel, {grid, block, shared}, arguments, together, here);
}
#define EMULATOR_LAUNCH(NAME, TOGETHER)                                                                            \
    inline cudaError_t NAME(const void* function, dim3 grid, dim3 block, void** arguments, size_t shared = 0,      \
                            cudaStream_t = 0, HERE) {                                                              \
        return emulator_launch_at(function, grid, block, arguments, shared, TOGETHER, here);                       \
    }                                                                                                              \
    template <typename... A>                                                                                       \
    inline cudaError_t NAME(void (*function)(A...), dim3 grid, dim3 block, void** arguments, size_t shared = 0,    \
                            cudaStream_t = 0, HERE) {                                                              \
        void* address = emulator_address("kernel", function);                                                      \
        return emulator_launch_at(address, grid, block, arguments, shared, TOGETHER, here);                        \
    }
EMULATOR_LAUNCH(cudaLaunchKernel, false)
EMULATOR_LAUNCH(cudaLaunchCooperativeKernel, true)
#undef EMULATOR_LAUNCH
inline cudaError_t cudaFuncSetAttribute(const void*, cudaFuncAttribute attribute, int value, HERE) {
    if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return cudaSuccess;
    return emulator::set_shared(value, here);
}
template <typename... A>
inline cudaError_t cudaFuncSetAttribute(void (*function)(A...), cudaFuncAttribute attribute, int value, HERE) {
    return cudaFuncSetAttribute((const void*)function, attribute, value, here);
}
template <typename T>
inline cudaError_t cudaFuncSetCacheConfig(T, cudaFuncCache) {
    return cudaSuccess;
}
template <typename T>
inline cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, T) {
    *attributes = {};
    attributes->maxThreadsPerBlock = 1024;
    attributes->numRegs = 32;
    attributes->maxDynamicSharedSizeBytes = 48 * 1024;
    return cudaSuccess;
}
template <typename T>
inline cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, T, int threads, size_t shared) {
    int by_threads = 2048 / ((threads + 31) / 32 * 32);
    int by_shared = shared ? int(164 * 1024 / (shared + 1024)) : 32;
    *blocks = by_threads < by_shared ? (by_threads < 32 ? by_threads : 32) : (by_shared < 32 ? by_shared : 32);
    return cudaSuccess;
}
template <typename T>
inline cudaError_t cudaOccupancyMaxPotentialBlockSize(int* grid, int* block, T, size_t = 0, int limit = 0) {
    *block = limit && limit < 1024 ? limit : 1024;
    *grid = 108 * (2048 / *block);
    return cudaSuccess;
}

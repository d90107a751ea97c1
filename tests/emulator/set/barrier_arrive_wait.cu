// Arrive, do something else, wait: cuda::barrier.
// launch: mirror<<<2, 96>>>(y[192], x[192])
#include <cuda/barrier>
#include <cooperative_groups.h>
#include <utility>
namespace cg = cooperative_groups;
__global__ void mirror(float* y, const float* x) {
    __shared__ cuda::barrier<cuda::thread_scope_block> bar;
    __shared__ float tile[96];
    auto block = cg::this_thread_block();
    if (block.thread_rank() == 0) init(&bar, block.size());
    //- uninitialised @arrive
    block.sync();
    //- race @arrive
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    tile[threadIdx.x] = x[i];
    auto token = bar.arrive();  //@arrive
    float own = 0.5f * x[i];
    bar.wait(std::move(token));
    //- race @read
    y[i] = own + tile[95 - threadIdx.x];  //@read
}

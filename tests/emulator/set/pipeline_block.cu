// One warp fetches, the others compute: a pipeline of the block, in two roles.
// launch: triple<<<2, 96>>>(y[512], x[512])
#include <cooperative_groups.h>
#include <cuda/pipeline>
namespace cg = cooperative_groups;
__global__ void triple(float* y, const float* x) {
    __shared__ float stage[2][64];
    __shared__ cuda::pipeline_shared_state<cuda::thread_scope_block, 2> state;
    auto block = cg::this_thread_block();
    auto role = threadIdx.x < 32 ? cuda::pipeline_role::producer : cuda::pipeline_role::consumer;
    auto pipe = cuda::make_pipeline(block, &state, role);
    const float* from = x + blockIdx.x * 256;
    if (role == cuda::pipeline_role::producer)
        for (int k = 0; k < 4; ++k) {
            pipe.producer_acquire();
            //- race @use
            for (int i = threadIdx.x; i < 64; i += 32)
                cuda::memcpy_async(&stage[k % 2][i], from + k * 64 + i, sizeof(float), pipe);
            pipe.producer_commit();
        }
    else
        for (int k = 0; k < 4; ++k) {
            pipe.consumer_wait();
            //- race @use
            int i = threadIdx.x - 32;
            y[blockIdx.x * 256 + k * 64 + i] = 3 * stage[k % 2][i];  //@use
            pipe.consumer_release();
        }
}

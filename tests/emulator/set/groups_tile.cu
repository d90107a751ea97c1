// Cooperative groups: a tile of a warp, and the block.
// launch: sum<<<2, 64>>>(y[2], x[128])
#include <cooperative_groups.h>
namespace cg = cooperative_groups;
__global__ void sum(float* y, const float* x) {
    __shared__ float part[2];
    cg::thread_block block = cg::this_thread_block();
    cg::thread_block_tile<32> warp = cg::tiled_partition<32>(block);
    float v = x[blockIdx.x * 64 + block.thread_rank()];
    for (int k = 16; k > 0; k /= 2) v += warp.shfl_down(v, k);
    if (warp.thread_rank() == 0) part[block.thread_rank() / 32] = v;
    //= race @part: part[block.thread_rank() / 32] = v;  //@part
    block.sync();
    //- race @read
    if (block.thread_rank() == 0) y[blockIdx.x] = part[0] + part[1];  //@read
    //= array index @read: if (block.thread_rank() == 0) y[blockIdx.x] = part[1] + part[2];
}

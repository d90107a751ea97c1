// Forces between bodies, a tile of them at a time.
// launch: forces<<<3, 32>>>(f[96], p[96], 96)
__global__ void forces(float4* f, const float4* p, int n) {
    __shared__ float4 tile[32];
    int i = blockIdx.x * 32 + threadIdx.x;
    float4 me = p[i], sum = make_float4(0, 0, 0, 0);
    for (int first = 0; first < n; first += 32) {
        tile[threadIdx.x] = p[first + threadIdx.x];  //@fill
        //= out of bounds @fill: tile[threadIdx.x] = p[first + threadIdx.x + 1];
        __syncthreads();
        //- race @use
        for (int k = 0; k < 32; ++k) {
            float dx = tile[k].x - me.x, dy = tile[k].y - me.y, dz = tile[k].z - me.z;  //@use
            float r = rsqrtf(dx * dx + dy * dy + dz * dz + 0.01f);
            float s = tile[k].w * r * r * r;
            sum.x += dx * s, sum.y += dy * s, sum.z += dz * s;
        }
        __syncthreads();
        //- race @fill
    }
    f[i] = sum;
}

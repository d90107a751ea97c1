// Particles as structures, moved and reflected.
// launch: move<<<2, 50>>>(seen[100], 100)
struct Particle {
    float x, v;
};
__device__ Particle particles[100];
__global__ void move(float* seen, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    Particle p = particles[i];  //@read
    //= array index @read: Particle p = particles[i + 1];
    p.v = i % 3 - 1.0f;
    p.x += 0.1f * p.v;
    if (p.x < 0) p.x = -p.x, p.v = -p.v;
    particles[i] = p;  //@write
    //= race @write: particles[i / 2] = p;
    seen[i] = p.x;
}

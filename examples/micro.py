"""The whole Vision Transformer on one page: it learns to read digits, in NumPy alone, every gradient derived by hand.

    z₀ = [cls | patches E] + pos                  an image becomes N tokens, each a row of D numbers
    z' = z + MSA(LN(z)),  z = z' + MLP(LN(z'))    L blocks: tokens look at each other, then each thinks by itself
    logits = LN(cls of z_L) W + b                 the class token has gathered the answer (all of arXiv 2010.11929)

Each part is a pair, `y, cache = op_forward(x, …)`, and under it `dx, … = op_backward(dy, cache)`. Run, it checks every
gradient, then trains for a minute. Next: minivit/ops (these pairs and more), minivit/model, tutorials (all derived).
"""

import math
import os
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # the products are small: further threads would only wait
import numpy as np


def linear_forward(x, weight, bias):
    """y = x W + b"""
    return x @ weight + bias, (x, weight)  # (B, N, out)


def linear_backward(dy, cache):
    """dx = dy Wᵀ,  dW = xᵀ dy,  db = Σ dy,  over all tokens of all images"""
    x, weight = cache
    x_rows, dy_rows = x.reshape(-1, x.shape[-1]), dy.reshape(-1, dy.shape[-1])  # (B·N, in), (B·N, out)
    return dy @ weight.T, x_rows.T @ dy_rows, dy_rows.sum(axis=0)  # (B, N, in), (in, out), (out,)


def layernorm_forward(x, gamma, beta, eps=1e-6):
    """y = γ x̂ + β,  x̂ = (x − μ) / √(σ² + ε),  with each token's own mean μ and variance σ²"""
    rstd = 1 / np.sqrt(x.var(axis=-1, keepdims=True) + eps)  # (B, N, 1)
    xhat = (x - x.mean(axis=-1, keepdims=True)) * rstd  # (B, N, D)
    return xhat * gamma + beta, (xhat, rstd, gamma)


def layernorm_backward(dy, cache):
    """dx = (dx̂ − mean(dx̂) − x̂ mean(dx̂ x̂)) / √(σ² + ε),  dx̂ = dy γ,  dγ = Σ dy x̂,  dβ = Σ dy"""
    xhat, rstd, gamma = cache
    dxhat, tokens = dy * gamma, tuple(range(dy.ndim - 1))  # (B, N, D), all axes but the last
    dx = dxhat - dxhat.mean(axis=-1, keepdims=True)  # (B, N, D): μ depends on every x of the token,
    dx -= xhat * (dxhat * xhat).mean(axis=-1, keepdims=True)  # and so does σ
    return dx * rstd, (dy * xhat).sum(axis=tokens), dy.sum(axis=tokens)  # (B, N, D), (D,), (D,)


def attention_forward(qkv, H=4):
    """out = P V,  P = softmax(Q Kᵀ / √d),  in each of H heads of d = D/H:  a query takes the values whose keys match"""
    q, k, v = qkv.reshape(*qkv.shape[:2], 3, H, -1).transpose(2, 0, 3, 1, 4)  # (B, H, N, d) each
    scores = q @ k.swapaxes(-1, -2) * q.shape[-1] ** -0.5  # (B, H, N, N)
    p = np.exp(scores - scores.max(axis=-1, keepdims=True))  # (B, H, N, N): the maximum cancels, exp cannot overflow
    p /= p.sum(axis=-1, keepdims=True)
    out = (p @ v).swapaxes(1, 2)  # (B, N, H, d)
    return out.reshape(*out.shape[:2], -1), (q, k, v, p)  # (B, N, D): the heads side by side


def attention_backward(dout, cache):
    """dV = Pᵀ dout,  dP = dout Vᵀ,  dS = P (dP − Σ P dP) / √d,  dQ = dS K,  dK = dSᵀ Q"""
    q, k, v, p = cache
    B, H, N, d = q.shape
    dout = dout.reshape(B, N, H, d).swapaxes(1, 2)  # (B, H, N, d)
    dp = dout @ v.swapaxes(-1, -2)  # (B, H, N, N)
    ds = p * (dp - (p * dp).sum(axis=-1, keepdims=True)) * d**-0.5  # (B, H, N, N)
    dqkv = np.stack((ds @ k, ds.swapaxes(-1, -2) @ q, p.swapaxes(-1, -2) @ dout))  # (3, B, H, N, d)
    return dqkv.transpose(1, 3, 0, 2, 4).reshape(B, N, 3 * H * d)  # (B, N, 3D)


def gelu_forward(x):
    """y = x Φ(x),  Φ = ½ (1 + tanh u),  u = √(2/π) (x + 0.044715 x³)"""
    phi = 0.5 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))  # (B, N, M)
    return x * phi, (x, phi)


def gelu_backward(dy, cache):
    """dx = dy (Φ + x Φ'),  Φ' = ½ (1 − tanh² u) u' = 2 Φ (1 − Φ) u'"""
    x, phi = cache
    du = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x * x)  # (B, N, M)
    return dy * (phi + x * 2 * phi * (1 - phi) * du)  # (B, N, M)


def residual_forward(x, f_forward, f_backward, gamma, beta, weight1, bias1, weight2, bias2):
    """y = x + f(LN(x) W₁ + b₁) W₂ + b₂:  x + MSA(LN(x)) with attention for f, x + MLP(LN(x)) with GELU"""
    h, norm = layernorm_forward(x, gamma, beta)  # (B, N, D)
    h, linear1 = linear_forward(h, weight1, bias1)  # (B, N, 3D) or (B, N, M)
    h, middle = f_forward(h)  # (B, N, D) or (B, N, M)
    h, linear2 = linear_forward(h, weight2, bias2)  # (B, N, D)
    return x + h, (norm, linear1, f_backward, middle, linear2)


def residual_backward(dy, cache):
    """The same lines, last one first. x went two ways, to y and into the norm: the gradients of both are added."""
    norm, linear1, f_backward, middle, linear2 = cache
    dh, *dlinear2 = linear_backward(dy, linear2)  # (B, N, D) or (B, N, M)
    dh = f_backward(dh, middle)  # (B, N, 3D) or (B, N, M)
    dh, *dlinear1 = linear_backward(dh, linear1)  # (B, N, D)
    dh, *dnorm = layernorm_backward(dh, norm)  # (B, N, D)
    return dy + dh, *dnorm, *dlinear1, *dlinear2


def vit_forward(images, params):
    """images (B, height, width) -> logits (B, K)"""
    E, bias, cls, pos, *branches, gamma, beta, weight_head, bias_head = params
    (B, height, width), P, caches = images.shape, math.isqrt(len(E)), {}
    patches = images.reshape(B, height // P, P, width // P, P).swapaxes(2, 3).reshape(B, -1, P * P)  # (B, N-1, P²)
    x, patch = linear_forward(patches, E, bias)  # (B, N-1, D)
    x = np.concatenate((np.repeat(cls, B, axis=0), x), axis=1) + pos  # (B, N, D): z₀
    for i in range(0, len(branches), 6):  # six parameters a branch; attention and MLP take turns
        f = (attention_forward, attention_backward) if i % 12 == 0 else (gelu_forward, gelu_backward)
        x, caches[i] = residual_forward(x, *f, *branches[i : i + 6])  # (B, N, D)
    h, norm = layernorm_forward(x[:, 0], gamma, beta)  # (B, D): only the class token is read
    logits, head = linear_forward(h, weight_head, bias_head)  # (B, K)
    return logits, (patch, caches, x.shape[1], norm, head)


def vit_backward(dlogits, cache):
    """dlogits (B, K) -> the gradients, a list like that of the parameters; the images, as data, need none"""
    patch, caches, N, norm, head = cache
    dh, *dhead = linear_backward(dlogits, head)  # (B, D)
    dh, *dnorm = layernorm_backward(dh, norm)  # (B, D)
    dx = np.pad(dh[:, None], ((0, 0), (0, N - 1), (0, 0)))  # (B, N, D): 0 for the tokens that the head did not see
    grads = [*dnorm, *dhead]
    for cache in reversed(caches.values()):
        dx, *dbranch = residual_backward(dx, cache)  # (B, N, D)
        grads = dbranch + grads
    dpos = dx.sum(axis=0, keepdims=True)  # (1, N, D): one table served all images, as did cls, which sits at place 0
    _, *dpatch = linear_backward(dx[:, 1:], patch)
    return [*dpatch, dpos[:, :1], dpos, *grads]


def cross_entropy(logits, labels):
    """loss = −mean log p_label,  p = softmax(logits),  and  dlogits = (p − y) / B,  y being 1 at the label, else 0"""
    shifted = logits - logits.max(axis=1, keepdims=True)  # (B, K)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))  # (B, K)
    y = np.eye(logits.shape[1], dtype=logits.dtype)[labels]  # (B, K)
    return -(y * log_p).sum() / len(y), (np.exp(log_p) - y) / len(y)


def init_params(rng, N=17, P=7, D=48, L=3, M=96, K=10):
    """N tokens, P² pixels a patch, D numbers a token, L blocks, M inside an MLP, K classes. Weights are N(0, 1/in)."""

    def linear(n_in, n_out):
        return [rng.normal(0, n_in**-0.5, (n_in, n_out)), np.zeros(n_out)]

    params = [*linear(P * P, D), rng.normal(0, 0.02, (1, 1, D)), rng.normal(0, 0.02, (1, N, D))]  # E, bias, cls, pos
    for n_out, n_in in [(3 * D, D), (M, M)] * L:  # attention: to q, k, v, and back from their result; MLP: up and down
        params += [np.ones(D), np.zeros(D), *linear(D, n_out), *linear(n_in, D)]  # γ, β, W₁, b₁, W₂, b₂
    return [*params, np.ones(D), np.zeros(D), *linear(D, K)]  # norm, head


def gradient_check(h=1e-3):
    """∂f/∂θ ≈ (8 (f(θ+h) − f(θ−h)) − (f(θ+2h) − f(θ−2h))) / 12h, for each number θ of each parameter of a tiny model.
    Returns the worst error, relative to both's size or 1e-5: keys' biases cancel in softmax, their gradient is 0."""
    rng, errors = np.random.default_rng(0), []
    params = [p + rng.normal(0, 0.5, p.shape) for p in init_params(rng, N=7, P=2, D=8, L=2, M=6, K=3)]
    images, labels = rng.normal(size=(2, 4, 6)), np.array([2, 0])
    logits, cache = vit_forward(images, params)
    for p, grad in zip(params, vit_backward(cross_entropy(logits, labels)[1], cache), strict=True):
        for i in np.ndindex(p.shape):
            value, numeric = p[i], 0.0
            for step, factor in ((h, 8), (-h, -8), (2 * h, -1), (-2 * h, 1)):
                p[i] = value + step  # vit_forward reads it
                numeric += factor * cross_entropy(vit_forward(images, params)[0], labels)[0] / (12 * h)
            p[i] = value
            errors.append(abs(grad[i] - numeric) / max(1e-5, abs(grad[i]) + abs(numeric)))
    return float(np.max(errors))


def train(images, labels, epochs=20, batch=32, peak=3e-3, decay=0.2, beta1=0.9, beta2=0.99, seed=0):
    """AdamW: m ← β₁ m + (1−β₁) g,  v ← β₂ v + (1−β₂) g²,  θ ← θ − rate (m̂ / (√v̂ + ε) + decay θ).  Yields steps."""
    rng = np.random.default_rng(seed)
    params = [p.astype(np.float32) for p in init_params(rng)]
    mean, square = [np.zeros_like(p) for p in params], [np.zeros_like(p) for p in params]
    order = np.concatenate([rng.permutation(len(images)) for _ in range(epochs)]).reshape(-1, batch)  # (steps, batch)
    for t, chosen in enumerate(order, 1):
        moved = np.stack([np.roll(image, rng.integers(-1, 2, 2), axis=(0, 1)) for image in images[chosen]])
        logits, cache = vit_forward(moved, params)  # augmented: up to a pixel up, down, left or right
        loss, dlogits = cross_entropy(logits, labels[chosen])
        rate = peak * min(10 * t / len(order), 0.5 + 0.5 * math.cos(math.pi * t / len(order)))  # warm-up, half a cosine
        for p, g, m, v in zip(params, vit_backward(dlogits, cache), mean, square, strict=True):
            m += (1 - beta1) * (g - m)
            v += (1 - beta2) * (g * g - v)
            p *= 1 - rate * decay * (p.ndim == 2)  # weights decay; biases, norms, cls and pos do not
            p -= rate * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + 1e-8)
        yield params, loss


if __name__ == "__main__":
    print(f"gradient check: the worst relative error is {gradient_check():.1e}")
    data = np.load(Path(__file__).parents[1] / "minivit" / "data" / "digits.npz")
    order = np.random.default_rng(0).permutation(10_000)  # the first 8,000 to train with, the others are held out
    images, labels = data["images"][order].astype(np.float32) / 78.6, data["labels"][order]  # a deviation of 1
    start, losses = time.perf_counter(), []
    for step, (params, loss) in enumerate(train(images[:8000], labels[:8000]), 1):
        losses.append(loss)
        if step % 250 == 0:
            accuracy = (vit_forward(images[8000:], params)[0].argmax(axis=1) == labels[8000:]).mean()
            loss, seconds = np.mean(losses[-250:]), time.perf_counter() - start
            print(f"epoch {step // 250:2}   loss {loss:.3f}   held-out accuracy {accuracy:.2%}   {seconds:3.0f} s")
    print(f"{accuracy:.2%} of the held-out digits are read right")

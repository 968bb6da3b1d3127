"""Writes norm_groups.safetensors: two steps with batch norm over groups of a batch, as PyTorch makes them.

    python tests/golden/make_norm_groups.py

Each chunk of the batch goes through `F.batch_norm` by itself, as each of several GPUs does without synchronising. The
running statistics are moved by hand, once a step: towards the mean over the chunks, weighted by their images, of the
chunks' means and variances. The net is tests/golden/norm_groups.net. Of each case there are the logits and gradients
before the first step, and weights and running statistics after the second. Everything is float64 and stored as float32;
the file was made with torch 2.15.0.
"""
import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

torch.set_default_dtype(torch.float64)
torch.manual_seed(64)
# float32's 0.9 and 1e-5, as the program has them.
DECAY, EPSILON = float(np.float32(0.9)), float(np.float32(1e-5))


def f32(tensor):
    return np.ascontiguousarray(tensor.detach().numpy().astype(np.float32))


images = torch.randn(40, 2, 5, 5)
# Images that differ as whole, so that the groups' statistics lie apart.
images = (images * torch.linspace(0.5, 1.5, 40)[:, None, None, None] + torch.randn(40, 1, 1, 1)).float().double()
labels = torch.randint(0, 3, (40,))
start = {
    "conv1.weight": torch.randn(4, 2, 3, 3) * 0.3,
    "bn1.scale": 1 + 0.3 * torch.randn(4),
    "bn1.shift": 0.3 * torch.randn(4),
    "conv2.weight": torch.randn(5, 4, 3, 3) * 0.3,
    "bn2.scale": 1 + 0.3 * torch.randn(5),
    "bn2.shift": 0.3 * torch.randn(5),
    "linear1.weight": torch.randn(3, 5) * 0.5,
    "linear1.bias": torch.randn(3) * 0.1,
}
start = {name: value.float().double() for name, value in start.items()}
out = {"images": f32(images), "labels": labels.numpy().astype(np.uint32)}
out |= {f"start/{name}": f32(value) for name, value in start.items()}


def run(case, batch, group, unbiased):
    p = {name: value.clone().requires_grad_() for name, value in start.items()}
    running = {f"{n}.running_{s}": torch.full((c,), v) for n, c in [("bn1", 4), ("bn2", 5)] for s, v in [("mean", 0.0), ("variance", 1.0)]}
    nearest = [1.0]

    def norm(x, name):
        chunks = x.split(group)
        y = torch.cat([F.batch_norm(c, None, None, p[f"{name}.scale"], p[f"{name}.shift"], True, eps=EPSILON) for c in chunks])
        nearest.append(y.abs().min().item())
        with torch.no_grad():
            for statistic, of in [("mean", lambda c: c.mean((0, 2, 3))), ("variance", lambda c: c.var((0, 2, 3), unbiased=unbiased))]:
                mean = sum(len(c) / batch * of(c) for c in chunks)
                old = running[f"{name}.running_{statistic}"]
                old.copy_(DECAY * old + (1 - DECAY) * mean)
        return F.relu(y)

    optimizer = torch.optim.SGD(p.values(), lr=0.1, momentum=0.9)
    for step in (1, 2):
        optimizer.zero_grad()
        x = norm(F.conv2d(images[:batch], p["conv1.weight"], padding=1), "bn1")
        x = norm(F.conv2d(x, p["conv2.weight"], stride=2, padding=1), "bn2")
        logits = F.linear(x.mean((2, 3)), p["linear1.weight"], p["linear1.bias"])
        F.cross_entropy(logits, labels[:batch]).backward()
        if step == 1:
            out[f"{case}/logits"] = f32(logits)
            for name, parameter in p.items():
                out[f"{case}/gradients/{name}"] = f32(parameter.grad)
        optimizer.step()
    for name, parameter in p.items():
        out[f"{case}/parameters/{name}"] = f32(parameter)
    for name, value in running.items():
        out[f"{case}/statistics/{name}"] = f32(value)
    # A relu's gradient jumps at 0: nothing may lie so near that rounding decides.
    print(case, "nearest to 0:", min(nearest))


run("3 of 7", 7, 3, True)
run("20 of 40", 40, 20, True)
run("16 of 40", 40, 16, False)
save_file(out, pathlib.Path(__file__).parent / "norm_groups.safetensors")

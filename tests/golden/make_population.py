"""Writes population.safetensors: true batch-norm averages over a training set, as PyTorch finds them.

    python tests/golden/make_population.py

`mean` is what torch.optim.swa_utils.update_bn leaves in the running statistics (momentum=None: the plain average over
the batches, each variance unbiased); `pooled` is the unbiased variance of all values that the batches brought into each
batch norm. The net is tests/golden/population.net; the batches are those that netc draws for seed 5 (src/random.rs).
Everything is float64 and stored as float32; the file here was made with torch 2.11.0.
"""
import pathlib

import numpy as np
import torch
import torch.nn as nn
from safetensors.numpy import save_file
from torch.optim.swa_utils import update_bn

torch.set_default_dtype(torch.float64)
torch.manual_seed(7)
MASK = (1 << 64) - 1
IMAGES, BATCH, SEED, SHUFFLE = 24, 8, 5, 2


def mix(x):
    x = (x + 0x9E3779B97F4A7C15) & MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def permutation(length):
    key = mix(SHUFFLE)
    for part in (SEED, 0):
        key = mix(key ^ mix(part))
    order = list(range(length))
    for i in range(length - 1, 0, -1):
        j = (mix(key ^ mix(i)) * (i + 1)) >> 64
        order[i], order[j] = order[j], order[i]
    return order


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 6, 3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(6)
        self.linear1 = nn.Linear(6, 10)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        x = torch.relu(self.bn2(self.conv2(x)))
        return self.linear1(x.mean((2, 3)))


net = Net()
pixels = np.random.default_rng(3).integers(0, 256, (IMAGES, 3, 8, 8), dtype=np.uint8)
# Images that differ as whole, so that the batches' means lie apart.
pixels = (pixels * np.linspace(0.2, 1.0, IMAGES)[:, None, None, None]).astype(np.uint8)
images = torch.tensor(pixels / 255.0)[permutation(IMAGES)]
batches = list(images.split(BATCH))

out = {"images": pixels.astype(np.uint32)}
for name, parameter in net.named_parameters():
    with torch.no_grad():
        parameter.copy_(parameter.float().double())
    out[f"weights/{name}"] = parameter.detach().numpy().astype(np.float32)

seen = {"bn1": [], "bn2": []}
hooks = [getattr(net, n).register_forward_hook(lambda _, x, __, n=n: seen[n].append(x[0].detach())) for n in seen]
update_bn(batches, net)
for hook in hooks:
    hook.remove()
for name, values in seen.items():
    norm = getattr(net, name)
    out[f"mean/{name}.running_mean"] = norm.running_mean.numpy().astype(np.float32)
    out[f"mean/{name}.running_var"] = norm.running_var.numpy().astype(np.float32)
    whole = torch.cat(values).transpose(0, 1).flatten(1)
    out[f"pooled/{name}.running_mean"] = whole.mean(1).numpy().astype(np.float32)
    out[f"pooled/{name}.running_var"] = whole.var(1, unbiased=True).numpy().astype(np.float32)
save_file(out, pathlib.Path(__file__).parent / "population.safetensors")

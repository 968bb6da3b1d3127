"""Writes the numbers that tests/engines/golden.rs compares the engines with. Run it beside itself:

    python tests/golden/make_golden.py

It needs torch (the files here: 2.11.0; each says so in its metadata, `made_with`) and safetensors. Everything is
computed in float64 and stored in float32, so what the comparison shows is the engine's own rounding.
`ops.safetensors` holds one tiny net an op; `resnet20.safetensors` two steps of training of ResNet-20, whose weights
and images both sides make from the same formula (src/random.rs).
"""
import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

torch.set_default_dtype(torch.float64)
torch.manual_seed(20)
HERE = pathlib.Path(__file__).parent
MADE_WITH = {"made_with": f"torch {torch.__version__}, float64"}


# ---------------------------------------------------------------- src/random.rs
def mix(x):
    x = np.asarray(x, dtype=np.uint64)
    with np.errstate(over="ignore"):
        x = x + np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def key(purpose, parts):
    k = mix(purpose)
    for part in parts:
        k = mix(k ^ mix(part))
    return k


def text_key(text):
    h = 0xCBF29CE484222325
    for byte in text.encode():
        h = ((h ^ byte) * 0x0100000001B3) & 0xFFFFFFFFFFFFFFFF
    return mix(h)


def bits(k, index):
    return mix(k ^ mix(index))


def normal(k, count):
    def unit(index):
        return ((bits(k, index) >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53

    even = np.arange(count, dtype=np.uint64) * np.uint64(2)
    radius = np.sqrt(-2.0 * np.log(unit(even)))
    return (radius * np.cos(2 * np.pi * unit(even + np.uint64(1)))).astype(np.float32)


def below(k, count, bound):
    return np.array([(int(bits(k, i)) * bound) >> 64 for i in range(count)])


def dropped(image_key, stream, count, rate):
    k = mix(np.uint64(image_key) ^ mix(stream))
    uniform = (bits(k, np.arange(count, dtype=np.uint64)) >> np.uint64(40)).astype(np.float32) / np.float32(2**24)
    return uniform < np.float32(rate)


# ---------------------------------------------------------------- one op at a time
def f32(t):
    return np.ascontiguousarray(t.detach().numpy().astype(np.float32))


class Net:
    """A conv before and a linear layer after, so that the gradient passes through the op in the middle."""

    def __init__(self, name, channels, classes=3, first_weight=None):
        self.name, self.params, self.stats, self.classes = name, {}, {}, classes
        shape = (channels, 2, 3, 3)
        self.add("first.weight", torch.randn(shape) * 0.3 if first_weight is None else first_weight(shape))
        self.add("first.bias", torch.randn(channels) * 0.1)

    def add(self, name, value):
        self.params[name] = value.float().double().requires_grad_()
        return self.params[name]

    def finish(self, out, middle, images, labels, evaluate=None):
        """`middle` maps the conv's output to what is flattened, in training; `evaluate` does in evaluation."""
        p, name = self.params, self.name

        def logits(f):
            return F.linear(f(F.conv2d(images, p["first.weight"], p["first.bias"], padding=1)).flatten(1), p["last.weight"], p["last.bias"])

        with torch.no_grad():
            features = (evaluate or middle)(F.conv2d(images, p["first.weight"], p["first.bias"], padding=1)).flatten(1).shape[1]
        self.add("last.weight", torch.randn(self.classes, features) * 0.3)
        self.add("last.bias", torch.randn(self.classes) * 0.1)
        out[f"{name}/images"], out[f"{name}/labels"] = f32(images), labels.numpy().astype(np.int32)
        out[f"{name}/evaluated"] = f32(logits(evaluate or middle))
        for k, v in self.stats.items():
            out[f"{name}/statistics/{k}"] = f32(v)
        y = logits(middle)
        loss = F.cross_entropy(y, labels)
        gradients = torch.autograd.grad(loss, list(p.values()))
        out[f"{name}/logits"], out[f"{name}/loss"] = f32(y), f32(loss.reshape(1))
        for (k, v), g in zip(p.items(), gradients):
            out[f"{name}/parameters/{k}"], out[f"{name}/gradients/{k}"] = f32(v), f32(g)
        for k, v in self.stats.items():
            out[f"{name}/after/{k}"] = f32(v)


def batch(n, h, w):
    return torch.randn(n, 2, h, w).float().double(), torch.randint(0, 3, (n,))


def ops():
    out = {}
    # Padding is (left, right, top, bottom) for F.pad.
    for name, n, h, w, inp, o, k, s, pad, d, g in [
        ("conv_plain", 3, 6, 5, 3, 4, (3, 3), (1, 1), (0, 0, 0, 0), (1, 1), 1),
        ("conv_padded_strided", 2, 7, 6, 3, 4, (3, 3), (2, 2), (1, 1, 1, 1), (1, 1), 1),
        ("conv_same_at_stride_2", 2, 6, 6, 2, 3, (3, 3), (2, 2), (0, 1, 0, 1), (1, 1), 1),
        ("conv_odd", 1, 8, 7, 4, 6, (3, 2), (2, 1), (1, 0, 0, 2), (2, 3), 2),
        ("conv_depthwise", 2, 5, 5, 4, 4, (3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 4),
        ("conv_1x1", 2, 4, 4, 3, 5, (1, 1), (1, 1), (0, 0, 0, 0), (1, 1), 1),
    ]:
        net = Net(name, inp)
        weight, bias = net.add("conv.weight", torch.randn(o, inp // g, *k) * 0.3), net.add("conv.bias", torch.randn(o) * 0.1)
        net.finish(out, lambda x: F.conv2d(F.pad(x, pad), weight, bias, s, 0, d, g), *batch(n, h, w))

    for name, n, h, w in [("batch_norm", 4, 3, 3), ("batch_norm_one_image", 1, 2, 2)]:
        net = Net(name, 3)
        scale, shift = net.add("bn.scale", 1 + 0.3 * torch.randn(3)), net.add("bn.shift", 0.3 * torch.randn(3))
        mean, variance = torch.randn(3).float().double() * 0.1, (1 + 0.2 * torch.rand(3)).float().double()
        net.stats = {"bn.running_mean": mean, "bn.running_variance": variance}
        # float32's 0.1 and 1e-5, as the program has them.
        momentum, eps = 1 - float(np.float32(0.9)), float(np.float32(1e-5))
        net.finish(
            out,
            lambda x: F.batch_norm(x, mean, variance, scale, shift, True, momentum, eps),
            *batch(n, h, w),
            evaluate=lambda x: F.batch_norm(x, mean, variance, scale, shift, False, momentum, eps),
        )

    for name, f in [("relu", F.relu), ("tanh", torch.tanh), ("sigmoid", torch.sigmoid)]:
        Net(name, 3).finish(out, f, *batch(3, 4, 4))

    for ceil in (False, True):
        tail = "_ceil" if ceil else ""
        for name, h, w, k, s, p in [("3x3s2", 8, 7, 3, 2, 0), ("3x3s2p1", 8, 7, 3, 2, 1), ("2x3s3", 8, 7, (2, 3), 3, (1, 1))]:
            Net(f"max_pool_{name}{tail}", 2).finish(out, lambda x: F.max_pool2d(x, k, s, p, ceil_mode=ceil), *batch(2, h, w))
            for include in (True, False):
                Net(f"avg_pool_{name}{tail}_{'padded' if include else 'image'}", 2).finish(
                    out, lambda x: F.avg_pool2d(x, k, s, p, ceil_mode=ceil, count_include_pad=include), *batch(2, h, w)
                )
    # Whole numbers, so that many windows have their maximum more than once.
    net = Net("max_pool_ties", 3, first_weight=lambda shape: torch.randint(-1, 2, shape).double())
    images, labels = batch(3, 7, 7)
    net.finish(out, lambda x: F.max_pool2d(x, 3, 2, 1), images.round().clamp(0, 1), labels)

    Net("global_avg_pool", 4).finish(out, lambda x: x.mean((2, 3)), *batch(2, 3, 5))
    for name, size in [("lrn_5", 5), ("lrn_9", 9)]:
        Net(name, 7).finish(out, lambda x: F.local_response_norm(x, size, 0.5, 0.75, 1.5), *batch(2, 3, 3))

    net = Net("join", 3)
    wide = net.add("wide.weight", torch.randn(4, 3, 1, 1) * 0.3)
    net.finish(
        out,
        lambda x: F.pad(torch.cat([x, F.conv2d(x, wide), x + torch.relu(x) + x], 1)[:, :, ::2, ::3], (0, 0, 0, 0, 1, 2)),
        *batch(2, 5, 5),
    )

    images, labels = batch(3, 4, 4)
    keys = bits(mix(7) ^ np.uint64(2), np.arange(3, dtype=np.uint64))
    rate = float(np.float32(0.4))
    mask = torch.tensor(np.stack([~dropped(k, 5, 2 * 4 * 4, rate) for k in keys]).reshape(3, 2, 4, 4)) / (1 - rate)
    Net("dropout", 2).finish(out, lambda x: x * mask, images, labels, evaluate=lambda x: x)
    save_file(out, HERE / "ops.safetensors", MADE_WITH)


# ---------------------------------------------------------------- a whole step
class ResNet:
    """ResNet-20 with option A shortcuts (He et al. 2015), written out, with the names of specs/resnet20.net."""

    def __init__(self, seed, n=3):
        self.p, self.s, self.seed = {}, {}, seed
        self.conv("conv1", 16, 3), self.norm("bn1", 16)
        self.blocks, i = [], 16
        for stage, o in ((1, 16), (2, 32), (3, 64)):
            for block in range(n):
                name = f"stage{stage}.{block}"
                self.conv(f"{name}.conv1", o, i), self.norm(f"{name}.bn1", o)
                self.conv(f"{name}.conv2", o, o), self.norm(f"{name}.bn2", o)
                self.blocks.append((name, 2 if i != o else 1, o - i))
                i = o
        self.draw("linear1.weight", (10, 64), float(np.sqrt(np.float32(2 / 64))))
        self.p["linear1.bias"] = torch.zeros(10)
        for v in self.p.values():
            v.requires_grad_()

    def draw(self, name, shape, std):
        k = key(1, [self.seed, text_key(name)])
        values = np.float32(std) * normal(k, int(np.prod(shape)))
        self.p[name] = torch.tensor(values.astype(np.float64).reshape(shape))

    def conv(self, name, o, i):
        self.draw(f"{name}.weight", (o, i, 3, 3), float(np.sqrt(np.float32(2 / (9 * i)))))

    def norm(self, name, c):
        self.p[f"{name}.scale"], self.p[f"{name}.shift"] = torch.ones(c), torch.zeros(c)
        self.s[f"{name}.running_mean"], self.s[f"{name}.running_variance"] = torch.zeros(c), torch.ones(c)

    def forward(self, x):
        p = self.p
        conv = lambda x, name, stride=1: F.conv2d(x, p[f"{name}.weight"], None, stride, 1)
        norm = lambda x, name: F.batch_norm(
            x, self.s[f"{name}.running_mean"], self.s[f"{name}.running_variance"], p[f"{name}.scale"], p[f"{name}.shift"], True, 0.1, 1e-5
        )
        x = F.relu(norm(conv(x, "conv1"), "bn1"))
        for name, stride, more in self.blocks:
            y = F.relu(norm(conv(x, f"{name}.conv1", stride), f"{name}.bn1"))
            y = norm(conv(y, f"{name}.conv2"), f"{name}.bn2")
            if stride > 1:
                x = F.pad(x[:, :, ::stride, ::stride], (0, 0, 0, 0, 0, more))
            x = F.relu(x + y)
        return F.linear(x.mean((2, 3)), p["linear1.weight"], p["linear1.bias"])


def resnet20(images=8, seed=3):
    net, out = ResNet(seed), {}
    k = mix(seed)
    x = torch.tensor(normal(k, images * 3 * 32 * 32).astype(np.float64)).reshape(images, 3, 32, 32)
    labels = torch.tensor(below(k ^ np.uint64(1), images, 10))
    optimizer = torch.optim.SGD(net.p.values(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    for step in (1, 2):
        optimizer.zero_grad()
        y = net.forward(x)
        loss = F.cross_entropy(y, labels)
        loss.backward()
        optimizer.step()
        out[f"{step}/logits"], out[f"{step}/loss"] = f32(y), f32(loss.reshape(1))
        for name, v in net.p.items():
            flat = v.detach().flatten()
            out[f"{step}/parameters/{name}"] = f32(torch.cat([flat.sum()[None], flat.norm()[None], flat[:8]]))
        for name, v in net.s.items():
            out[f"{step}/statistics/{name}"] = f32(v)
    # The small ones whole.
    for name, v in net.p.items():
        if v.numel() <= 640:
            out[f"whole/{name}"] = f32(v.flatten())
    save_file(out, HERE / "resnet20.safetensors", MADE_WITH)


ops()
resnet20()
print(MADE_WITH["made_with"], {p.name: p.stat().st_size for p in HERE.glob("*.safetensors")})

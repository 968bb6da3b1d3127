"""Writes optimizers.safetensors: 50 steps of every optimizer and every schedule, as PyTorch makes them.

    python tests/golden/make_optimizers.py

The net is tests/golden/optimizers.net; batches of 8 images come round one after another. Each `optimizer/CASE/NAME` is a
parameter after 50 steps (`average/CASE/NAME` the average of the weights), each `schedule/CASE` the learning rate of steps
0..50 (of all steps for the lengths of a one-cycle schedule). Momentum in Sutskever's form, which torch.optim has not, is written out below as Caffe's sgd_solver.cpp and
Keras's sgd.py have it. Weights are float64 here and stored as float32, rates stored as float64. The file was made with
torch 2.15.0.
"""
import pathlib

import numpy as np
import torch
import torch.nn as nn
from safetensors.numpy import save_file
from torch.optim import SGD, Adam, AdamW, lr_scheduler
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

torch.set_default_dtype(torch.float64)
torch.manual_seed(11)
STEPS, BATCH, BATCHES = 50, 8, 3


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 3, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(3)
        self.linear1 = nn.Linear(12, 6)
        self.linear2 = nn.Linear(6, 4)

    def forward(self, x):
        x = torch.tanh(self.bn1(self.conv1(x)))
        x = nn.functional.avg_pool2d(x, 2).flatten(1)
        return self.linear2(torch.tanh(self.linear1(x)))


START = Net()
with torch.no_grad():
    for parameter in START.parameters():
        parameter.copy_(parameter.float().double())
images = torch.randn(BATCHES * BATCH, 1, 4, 4).float().double()
labels = torch.randint(0, 4, (BATCHES * BATCH,))
out = {
    "images": images.numpy().astype(np.float32),
    "labels": labels.numpy().astype(np.uint32),
}
for name, parameter in START.named_parameters():
    out[f"start/{name}"] = parameter.detach().numpy().astype(np.float32)


def net():
    copy = Net()
    copy.load_state_dict(START.state_dict())
    return copy


def run(case, make, smoothing=0.0, clip=None, ema=None, schedule=None):
    model = net()
    optimizer = make(model)
    scheduler = schedule and schedule(optimizer)
    averaged = None
    if ema:
        averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(ema))
        # The first call only copies: the average starts as the weights before the first step.
        averaged.update_parameters(model)
    criterion = nn.CrossEntropyLoss(label_smoothing=smoothing)
    for step in range(STEPS):
        part = slice(step % BATCHES * BATCH, (step % BATCHES + 1) * BATCH)
        optimizer.zero_grad()
        criterion(model(images[part]), labels[part]).backward()
        if clip:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        if scheduler:
            scheduler.step()
        if averaged:
            averaged.update_parameters(model)
    for name, parameter in model.named_parameters():
        out[f"optimizer/{case}/{name}"] = parameter.detach().numpy().astype(np.float32)
    for name, parameter in averaged.module.named_parameters() if averaged else []:
        out[f"average/{case}/{name}"] = parameter.detach().numpy().astype(np.float32)


class Sutskever(torch.optim.Optimizer):
    """v <- momentum·v - rate·(g + decay·w); w <- w + v"""

    def __init__(self, parameters, lr, momentum, weight_decay):
        super().__init__(parameters, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for w in group["params"]:
                v = self.state[w].setdefault("v", torch.zeros_like(w))
                v.mul_(group["momentum"]).sub_(group["lr"] * (w.grad + group["weight_decay"] * w))
                w.add_(v)


class Decoupled(torch.optim.Optimizer):
    """SGDW: v <- momentum·v + g; w <- w·(1 - rate·decay) - rate·v"""

    def __init__(self, parameters, lr, momentum, weight_decay):
        super().__init__(parameters, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for w in group["params"]:
                v = self.state[w].setdefault("v", torch.zeros_like(w))
                v.mul_(group["momentum"]).add_(w.grad)
                w.mul_(1 - group["lr"] * group["weight_decay"]).sub_(group["lr"] * v)


def drop(optimizer):
    return lr_scheduler.MultiStepLR(optimizer, [20, 35], gamma=0.2)


def groups(model):
    """decay except bias and norm, and factors of rate and decay by name"""
    made = []
    for name, parameter in model.named_parameters():
        decays = not name.endswith("bias") and not name.startswith("bn1")
        rate, decay = 0.1, 0.01 if decays else 0.0
        if name.startswith("conv1"):
            rate *= 0.1
        if name.startswith("linear"):
            rate, decay = rate * 0.5, decay * 3
        if name == "linear2.bias":
            rate *= 0
        made.append(dict(params=[parameter], lr=rate, weight_decay=decay))
    return SGD(made, lr=0.1, momentum=0.9)


def decoupled_groups(model, rate, decay):
    """factors of rate and decay by name, for decoupled decay: w loses rate·decay·w of its own group's"""
    base, made = (rate, decay), []
    for name, parameter in model.named_parameters():
        rate, decay = base
        if name.startswith("conv1"):
            rate *= 0.1
        if name.startswith("linear"):
            rate, decay = rate * 4, decay * 2
        made.append(dict(params=[parameter], lr=rate, weight_decay=decay))
    return made


run("sgd", lambda m: SGD(m.parameters(), lr=0.1))
run("momentum", lambda m: SGD(m.parameters(), lr=0.05, momentum=0.9, weight_decay=0.01), schedule=drop)
run("nesterov", lambda m: SGD(m.parameters(), lr=0.05, momentum=0.9, weight_decay=0.01, nesterov=True), schedule=drop)
run("sutskever", lambda m: Sutskever(m.parameters(), lr=0.05, momentum=0.9, weight_decay=0.01), schedule=drop)
run("doubled", lambda m: SGD(m.parameters(), lr=0.05, momentum=0.9, weight_decay=2 * 0.01))
run("decoupled", lambda m: Decoupled(m.parameters(), lr=0.05, momentum=0.9, weight_decay=0.1), schedule=drop)
run("adam", lambda m: Adam(m.parameters(), lr=0.01))
run("adam_l2", lambda m: Adam(m.parameters(), lr=0.01, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.05))
run("adamw", lambda m: AdamW(m.parameters(), lr=0.01, weight_decay=0.1), schedule=drop)
run("groups", groups)
run("groups_adamw", lambda m: AdamW(decoupled_groups(m, 0.01, 0.1), lr=0.01))
run("groups_decoupled", lambda m: Decoupled(decoupled_groups(m, 0.02, 0.2), lr=0.02, momentum=0.9, weight_decay=0.2))
run("clipping", lambda m: SGD(m.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01), clip=0.3)
run("smoothing", lambda m: SGD(m.parameters(), lr=0.1, momentum=0.9), smoothing=0.2)
run("ema", lambda m: SGD(m.parameters(), lr=0.1, momentum=0.9), ema=0.9)
run("ema_adam", lambda m: Adam(m.parameters(), lr=0.01), ema=0.95)


def rates(case, make, base=0.1, steps=STEPS):
    optimizer = SGD([torch.zeros(1, requires_grad=True)], lr=base)
    scheduler = make(optimizer)
    found = [optimizer.param_groups[0]["lr"]]
    for _ in range(steps - 1):
        optimizer.step()
        scheduler.step()
        found.append(optimizer.param_groups[0]["lr"])
    out[f"schedule/{case}"] = np.array(found, dtype=np.float64)


def warm(after, length=8):
    def make(optimizer):
        first = lr_scheduler.LinearLR(optimizer, start_factor=0.1, total_iters=length)
        return lr_scheduler.SequentialLR(optimizer, [first, after(optimizer)], milestones=[length])

    return make


s = lr_scheduler
rates("constant", lambda o: s.LambdaLR(o, lambda _: 1.0))
rates("step", lambda o: s.StepLR(o, 12, gamma=0.3))
rates("multistep", lambda o: s.MultiStepLR(o, [20, 35], gamma=0.1))
rates("cosine", lambda o: s.CosineAnnealingLR(o, STEPS))
rates("cosine_minimum", lambda o: s.CosineAnnealingLR(o, STEPS, eta_min=0.003))
rates("polynomial", lambda o: s.PolynomialLR(o, STEPS, power=2.0))
rates("linear", lambda o: s.PolynomialLR(o, STEPS, power=1.0))
rates("one_cycle", lambda o: s.OneCycleLR(o, 0.1, total_steps=STEPS))
rates(
    "one_cycle_linear",
    lambda o: s.OneCycleLR(
        o, 0.1, total_steps=STEPS, pct_start=0.4, anneal_strategy="linear", div_factor=10, final_div_factor=100
    ),
)
# The peak of a one-cycle schedule is no whole step in a run of most lengths, and before the first one in a short run.
for length in [2, 3, 7, 10, 25, 101, 1955, 2000]:
    rates(f"one_cycle_of_{length}", lambda o: s.OneCycleLR(o, 0.1, total_steps=length), steps=length)
for length in [2, 3, 7, 10, 25, 101]:
    rates(
        f"one_cycle_linear_of_{length}",
        lambda o: s.OneCycleLR(
            o, 0.1, total_steps=length, pct_start=0.37, anneal_strategy="linear", div_factor=10, final_div_factor=100
        ),
        steps=length,
    )
rates("warmup_constant", warm(lambda o: s.LambdaLR(o, lambda _: 1.0)))
rates("warmup_cosine", warm(lambda o: s.CosineAnnealingLR(o, STEPS - 8)))
rates("warmup_multistep", warm(lambda o: s.MultiStepLR(o, [20 - 8, 35 - 8], gamma=0.1)))
rates(
    "warmup_step",
    lambda o: s.ChainedScheduler([s.LinearLR(o, start_factor=0.1, total_iters=8), s.StepLR(o, 12, gamma=0.3)]),
)
rates("constant_warmup", lambda o: s.ConstantLR(o, factor=0.1, total_iters=8))

save_file(out, pathlib.Path(__file__).parent / "optimizers.safetensors")

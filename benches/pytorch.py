"""Trains and evaluates one of the nets with PyTorch on the CPU and prints one line of JSON: what netc is compared with.

usage: pytorch.py NET BATCH MODE SECONDS THREADS
MODE: eager, cl (channels last), compile, compile_cl
"""

import json
import statistics
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn


def conv3(inputs, outputs, stride):
    return nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)


class Residual(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.stride = 1 if inputs == outputs else 2
        self.more = outputs - inputs
        self.body = nn.Sequential(
            conv3(inputs, outputs, self.stride), nn.BatchNorm2d(outputs), nn.ReLU(),
            conv3(outputs, outputs, 1), nn.BatchNorm2d(outputs),
        )

    def forward(self, x):
        shortcut = x
        if self.more:  # option A: every second pixel, zero channels after
            shortcut = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, self.more))
        return F.relu(self.body(x) + shortcut)


def resnet(n):
    layers = [conv3(3, 16, 1), nn.BatchNorm2d(16), nn.ReLU()]
    width = 16
    for stage in (16, 32, 64):
        for _ in range(n):
            layers.append(Residual(width, stage))
            width = stage
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def lenet5():
    def stage(inputs, outputs):
        return [nn.Conv2d(inputs, outputs, 5), nn.Tanh(), nn.AvgPool2d(2)]

    head = [nn.Conv2d(16, 120, 5), nn.Tanh(), nn.Flatten(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10)]
    return nn.Sequential(*stage(3, 6), *stage(6, 16), *head)


def cifarnet():
    def norm():
        return nn.LocalResponseNorm(9, 0.001, 0.75, 1.0)

    return nn.Sequential(
        nn.Conv2d(3, 64, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), norm(),
        nn.Conv2d(64, 64, 5, padding=2), nn.ReLU(), norm(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(4096, 384), nn.ReLU(), nn.Dropout(0.5), nn.Linear(384, 192), nn.ReLU(), nn.Linear(192, 10),
    )


NETS = {
    "lenet5": lenet5,
    "cifarnet": cifarnet,
    "resnet20": lambda: resnet(3),
    "resnet32": lambda: resnet(5),
    "resnet56": lambda: resnet(9),
}


def median(step, seconds):
    for _ in range(3):
        step()
    times, start = [], time.perf_counter()
    while len(times) < 5 or time.perf_counter() - start < seconds:
        before = time.perf_counter()
        step()
        times.append(time.perf_counter() - before)
    return statistics.median(times)


def main():
    net, batch, mode, seconds, threads = sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4]), int(sys.argv[5])
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model, images = NETS[net](), torch.randn(batch, 3, 32, 32)
    labels = torch.randint(0, 10, (batch,))
    if mode.endswith("cl"):
        model = model.to(memory_format=torch.channels_last)
        images = images.contiguous(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    run = torch.compile(model) if mode.startswith("compile") else model

    def train():
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(run(images), labels).backward()
        optimizer.step()

    def evaluate():
        with torch.no_grad():
            run(images)

    train_seconds = median(train, seconds)
    model.eval()
    eval_seconds = median(evaluate, seconds)
    print(json.dumps({
        "net": net, "batch": batch, "mode": mode,
        "train_images_per_second": batch / train_seconds,
        "eval_images_per_second": batch / eval_seconds,
    }))


if __name__ == "__main__":
    main()

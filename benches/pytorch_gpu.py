"""ResNet-20 with PyTorch on the GPU beside what gpu_check measured there, as ratios.

usage: gpu_check --json > gpu.json; pytorch_gpu.py [gpu.json]
Without a GPU it runs a few steps on the CPU, which shows that it runs and nothing else.
"""

import json
import statistics
import sys
import time

import torch
import torch.nn.functional as F

from pytorch import resnet

BLOCK, WARM_UP, BLOCKS = 10, 2, 11


def step_time(batch, layout, precision, compiled, device):
    """Median milliseconds of a step; images lie on the device, the loss is read once a block, as in gpu_check."""
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.benchmark = True
    torch.manual_seed(1)
    model = resnet(3).to(device)
    images = torch.randn(batch, 3, 32, 32, device=device)
    if layout == "channels_last":
        model, images = model.to(memory_format=torch.channels_last), images.contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, 10, (batch,), device=device)
    run = torch.compile(model) if compiled else model
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    block, warm_up, blocks = (BLOCK, WARM_UP, BLOCKS) if device == "cuda" else (1, 1, 1)
    times = []
    for number in range(warm_up + blocks):
        begin = time.perf_counter()
        total = torch.zeros((), device=device)
        for _ in range(block):
            with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16"):
                loss = F.cross_entropy(run(images).float(), labels)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            total += loss.detach()
        total.item()
        if number >= warm_up:
            times.append(1e3 * (time.perf_counter() - begin) / block)
    return statistics.median(times)


def main():
    device = "cuda" if torch.cuda.is_available() else "cpu"
    ours = {}
    if len(sys.argv) > 1:
        with open(sys.argv[1], encoding="utf-8") as file:
            ours = {timing["batch"]: timing["ms_per_step"] for timing in json.load(file)["timings"]}
    name = torch.cuda.get_device_name() if device == "cuda" else "the CPU (no GPU: these are no results)"
    print(f"resnet20, PyTorch {torch.__version__} on {name}")
    print("| batch | form | precision | ms a step | netc takes, times |")
    print("| ---: | --- | --- | ---: | ---: |")
    for batch in (128, 1024) if device == "cuda" else (8,):
        for layout, compiled in (("eager", False), ("channels_last", False), ("compile", True)):
            for precision in ("fp32", "tf32", "bf16"):
                taken = step_time(batch, layout, precision, compiled, device)
                ratio = f"{ours[batch] / taken:.2f}" if batch in ours else ""
                print(f"| {batch} | {layout} | {precision} | {taken:.3f} | {ratio} |", flush=True)


if __name__ == "__main__":
    main()

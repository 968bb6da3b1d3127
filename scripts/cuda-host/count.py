#!/usr/bin/env python3
"""usage: count.py SHORT LONG STEPS

What a step asks of the device: from two files that CUDA_HOST_COUNTS made, of a run and of one of STEPS steps more."""
import sys


def read(path):
    with open(path) as file:
        return {what: int(count) for count, what in (line.rstrip("\n").split("\t") for line in file)}


short, long, steps = read(sys.argv[1]), read(sys.argv[2]), int(sys.argv[3])
each = {what: (count - short.get(what, 0)) / steps for what, count in long.items() if what != "most memory, bytes"}
for what, count in sorted(each.items()):
    if count:
        print(f"{count:12.1f}  {what}")
print(f"{sum(count for what, count in each.items() if what.startswith('launch ')):12.1f}  launches in all")

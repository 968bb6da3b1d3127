"""Runs PyTorch and netc in turn on the same cores and prints their ratios.

    cargo build --release
    python benches/compare.py --python PYTHON_WITH_TORCH [NET …]

Each round runs netc, then every mode of PyTorch, net by net; of each the best round counts, so that other work on the
machine disturbs both alike. With --json FILE the table is also written as JSON.
"""

import argparse
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
KEYS = ("train_images_per_second", "eval_images_per_second")


def run(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        print(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}", file=sys.stderr)
        return None
    start = done.stdout.find("{")
    return json.loads(done.stdout[start:])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("nets", nargs="*", default=["lenet5", "cifarnet", "resnet20", "resnet56"])
    parser.add_argument("--netc", default=os.path.join(HERE, "..", "target", "release", "netc"))
    parser.add_argument("--python", default=sys.executable, help="a Python that has torch")
    parser.add_argument("--modes", default="eager,cl,compile_cl")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--cpus", default="0,1")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--json")
    args = parser.parse_args()
    cpus = [int(cpu) for cpu in args.cpus.split(",")]
    os.sched_setaffinity(0, cpus)
    threads, seconds = str(len(cpus)), str(args.seconds)

    table = []
    for net in args.nets:
        best = {}
        for _ in range(args.rounds):
            spec = os.path.join(HERE, "..", "specs", net + ".net")
            commands = [("netc", [
                args.netc, "bench", spec, "--batch", str(args.batch), "--threads", threads, "--seconds", seconds, "--json"])]
            commands += [(mode, [
                args.python, os.path.join(HERE, "pytorch.py"), net, str(args.batch), mode, seconds, threads,
            ]) for mode in args.modes.split(",")]
            for who, command in commands:
                result = run(command)
                if result is None:
                    continue
                for key in KEYS:
                    best.setdefault(who, {})[key] = max(result[key], best.get(who, {}).get(key, 0.0))
                for key in ("peak_share", "peak_bytes", "process_peak_bytes"):
                    if key in result:
                        best[who][key] = result[key]
        row = {"net": net, "batch": args.batch, "cpus": len(cpus), "all": best}
        for key in KEYS:
            torch_mode = max((mode for mode in best if mode != "netc"), key=lambda mode: best[mode][key])
            row[key] = {
                "netc": best["netc"][key], "pytorch": best[torch_mode][key], "mode": torch_mode,
                "ratio": best["netc"][key] / best[torch_mode][key],
            }
            print(f"{net:<10} {key.split('_')[0]:<6} netc {best['netc'][key]:>9.0f} img/s   "
                  f"PyTorch {best[torch_mode][key]:>9.0f} img/s ({torch_mode:<10})   {row[key]['ratio']:.2f}x", flush=True)
        table.append(row)
    if args.json:
        with open(args.json, "w") as file:
            json.dump(table, file, indent=1)


main()

#!/bin/sh
# usage: scripts/cuda-host/make.sh DIR
# Makes a tree in DIR that looks like a CUDA toolkit with a driver and runs kernels on this machine's processor: for
# finding mistakes, and counting what a step asks of a device, where there is no GPU. Needs g++; nothing is downloaded.
# `bin/nvcc` compiles a kernel file to a library and writes the library's path where PTX would be; `lib/libcuda.so.1` opens
# it and calls the kernel once for each thread. It says nothing about speed, and little about what runs at the same time.
# SANITIZE=1 builds it all with AddressSanitizer: run programs with LD_PRELOAD="$(g++ -print-file-name=libasan.so)" and
# ASAN_OPTIONS=detect_leaks=0 then.
set -eu
from=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1/bin" "$1/lib" "$1/include" "$1/kernels"
dir=$(cd "$1" && pwd)
flags="-std=c++17 -O2 -g1 -fPIC -shared -w -I$dir/include ${SANITIZE:+-fsanitize=address}"

cp "$from"/include/* "$dir/include"
: > "$dir/include/cuda.h"                   # build scripts look for it

g++ $flags -Wl,-soname,libcuda.so.1 -o "$dir/lib/libcuda.so.1" "$from/driver.cpp" -ldl
g++ $flags -O3 -march=native -ffast-math -Wl,-soname,libcublas.so.12 -o "$dir/lib/libcublas.so.12" "$from/blas.cpp" \
  -Wl,-rpath,"$dir/lib" "$dir/lib/libcuda.so.1"
ln -sf libcuda.so.1 "$dir/lib/libcuda.so"
ln -sf libcublas.so.12 "$dir/lib/libcublas.so"
for library in nvrtc curand cublasLt; do echo | cc -shared -o "$dir/lib/lib$library.so" -x c -; done

printf '#!/bin/sh\nprintf "compute_cap\\n9.0\\n"\n' > "$dir/bin/nvidia-smi"

# dfdx calls `nvcc --list-gpu-code` and `nvcc --ptx --output-directory OUT -I… FILE.cu`.
cat > "$dir/bin/nvcc" <<NVCC
#!/bin/sh
set -eu
[ "\${1:-}" != --list-gpu-code ] || { echo sm_90; exit; }
out=. file= last= include=
for word; do
  [ "\$last" != --output-directory ] || out=\$word
  case \$word in -I*) include="\$include \$word" ;; *.cu) file=\$word ;; esac
  last=\$word
done
name=\$(basename "\$file" .cu)
work=\$(mktemp -d)
trap 'rm -rf "\$work"' EXIT
# The names are made by macros: they are known after the preprocessor, which leaves __global__ alone here.
{
  printf '#include "cuda_host.h"\n#include "%s"\n' "\$(realpath "\$file")"
  g++ -x c++ -E -P -D__CUDA_ARCH__=900 -I"$dir/include" \$include "\$file" 2>/dev/null | tr '\n' ' ' |
    grep -o 'extern "C" __global__ void *[A-Za-z0-9_]*' | sed 's/.* \(.*\)/KERNEL(\1)/'
} > "\$work/\$name.cpp"
g++ $flags -D__CUDA_ARCH__=900 \$include -o "$dir/kernels/\$name.so" "\$work/\$name.cpp" \
  -Wl,-rpath,"$dir/lib" "$dir/lib/libcuda.so.1"
echo "$dir/kernels/\$name.so" > "\$out/\$name.ptx"
NVCC
chmod +x "$dir/bin/nvcc" "$dir/bin/nvidia-smi"

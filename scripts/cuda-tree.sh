#!/bin/sh
# usage: cuda-tree.sh DIR
# Makes a CUDA compiler in DIR from the wheels that NVIDIA publishes on PyPI, for building netc on a machine with no GPU,
# no driver and no toolkit. GPU=9.0 is the compute capability to build for. PTX=7.8 is the version that the kernels are
# marked with: the toolkit's own is refused by older drivers, and the kernels use nothing newer.
set -eu
dir=$1 gpu=${GPU:-9.0} ptx=${PTX:-7.8}
wheels=$(mktemp -d)
trap 'rm -rf "$wheels"' EXIT
pip download -q --no-deps -d "$wheels" nvidia-cuda-nvcc==13.0.* nvidia-nvvm==13.0.* nvidia-cuda-crt==13.0.* \
  nvidia-cuda-runtime==13.0.* nvidia-cuda-cccl==13.0.*
for wheel in "$wheels"/*.whl; do python3 -m zipfile -e "$wheel" "$wheels/all"; done
mkdir -p "$dir"
cp -r "$wheels"/all/nvidia/cu13/. "$dir"
chmod +x "$dir"/bin/* "$dir"/nvvm/bin/*

# dfdx's build script asks nvidia-smi what to build for.
printf '#!/bin/sh\nprintf "compute_cap\\n%s\\n"\n' "$gpu" > "$dir/bin/nvidia-smi"

# dfdx calls `nvcc --ptx --output-directory OUT … FILE.cu`.
mv "$dir/bin/nvcc" "$dir/bin/nvcc.real"
cat > "$dir/bin/nvcc" <<END
#!/bin/sh
"\$(dirname "\$0")/nvcc.real" "\$@" || exit
out= last=
for word; do
  [ "\$last" = --output-directory ] && out=\$word
  last=\$word
done
[ -z "\$out" ] || sed -i 's/^\.version .*/.version $ptx/' "\$out/\$(basename "\$last" .cu).ptx"
END
chmod +x "$dir"/bin/nvcc "$dir"/bin/nvidia-smi

# The linker wants the libraries' names; netc loads the real ones when it is asked for a GPU.
for library in cuda nvrtc curand cublas cublasLt; do
  echo | cc -shared -o "$dir/lib/lib$library.so" -x c -
done
"$dir/bin/nvcc" --version | tail -1

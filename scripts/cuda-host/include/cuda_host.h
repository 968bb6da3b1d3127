// What a kernel file needs to be plain C++: the words of the language, and the places of a thread and a block.
#pragma once
#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
// One thread after another, one block after another: what a block shares may be static.
#define __shared__ static

struct Dim3 { unsigned x, y, z; };
extern "C" {
extern Dim3 cuda_host_thread, cuda_host_block, cuda_host_block_size, cuda_host_grid_size;
void cuda_host_barrier();
}
#define threadIdx cuda_host_thread
#define blockIdx cuda_host_block
#define blockDim cuda_host_block_size
#define gridDim cuda_host_grid_size
#define __syncthreads cuda_host_barrier

using std::isnan;
using std::signbit;
inline int max(int a, int b) { return a > b ? a : b; }
inline unsigned min(unsigned a, unsigned b) { return a < b ? a : b; }

template <class To, class From> To cuda_host_bits(From from) {
    static_assert(sizeof(To) == sizeof(From));
    To to;
    std::memcpy(&to, &from, sizeof to);
    return to;
}
inline float __uint_as_float(unsigned x) { return cuda_host_bits<float>(x); }
inline float __int_as_float(int x) { return cuda_host_bits<float>(x); }
inline unsigned __float_as_uint(float x) { return cuda_host_bits<unsigned>(x); }
inline int __float_as_int(float x) { return cuda_host_bits<int>(x); }
inline double __longlong_as_double(long long x) { return cuda_host_bits<double>(x); }
inline long long __double_as_longlong(double x) { return cuda_host_bits<long long>(x); }

template <class T, class V> T atomicAdd(T *at, V value) { T old = *at; *at = old + (T)value; return old; }
template <class T> T atomicMin(T *at, std::common_type_t<T> value) { T old = *at; *at = old < value ? old : value; return old; }
template <class T> T atomicMax(T *at, std::common_type_t<T> value) { T old = *at; *at = old > value ? old : value; return old; }
template <class T> T atomicCAS(T *at, T expected, T value) { T old = *at; if (old == expected) *at = value; return old; }

template <class... A, std::size_t... I>
void cuda_host_call(void (*kernel)(A...), void **parameters, std::index_sequence<I...>) {
    kernel(*static_cast<std::remove_const_t<A> *>(parameters[I])...);
}
template <class... A> void cuda_host_call(void (*kernel)(A...), void **parameters) {
    cuda_host_call(kernel, parameters, std::index_sequence_for<A...>());
}
// A kernel as the driver calls it, for one thread: with pointers to its arguments.
#define KERNEL(name) \
    extern "C" void cuda_host_kernel_##name(void **parameters) { cuda_host_call(name, parameters); }

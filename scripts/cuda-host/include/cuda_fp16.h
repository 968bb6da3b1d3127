// Halves, as far as kernels have to compile: netc computes in f32 and calls none of theirs.
#pragma once
#include <cmath>

struct __half {
    float value;
    __half() = default;
    template <class T> __half(T value) : value((float)value) {}
    operator float() const { return value; }
};
#define CUDA_HOST_OPERATOR(op)                                                                     \
    inline __half operator op(__half a, __half b) { return __half(a.value op b.value); }           \
    inline __half &operator op##=(__half &a, __half b) { return a = __half(a.value op b.value); }
CUDA_HOST_OPERATOR(+)
CUDA_HOST_OPERATOR(-)
CUDA_HOST_OPERATOR(*)
CUDA_HOST_OPERATOR(/)
#undef CUDA_HOST_OPERATOR
inline __half operator-(__half a) { return __half(-a.value); }
inline float __half2float(__half a) { return a.value; }
inline __half __float2half(float a) { return __half(a); }
inline bool __hisnan(__half a) { return std::isnan(a.value); }
inline __half __habs(__half a) { return __half(std::fabs(a.value)); }
inline __half __hmax_nan(__half a, __half b) { return __hisnan(a) ? a : __half(std::fmax(a.value, b.value)); }
inline __half __hmin_nan(__half a, __half b) { return __hisnan(a) ? a : __half(std::fmin(a.value, b.value)); }
inline __half hcos(__half a) { return __half(std::cos(a.value)); }
inline __half hsin(__half a) { return __half(std::sin(a.value)); }
inline __half hsqrt(__half a) { return __half(std::sqrt(a.value)); }
inline __half hlog(__half a) { return __half(std::log(a.value)); }
inline __half hexp(__half a) { return __half(std::exp(a.value)); }
inline unsigned short __half_as_ushort(__half a) { return (unsigned short)a.value; }
inline __half __ushort_as_half(unsigned short a) { return __half(a); }

//! One vector of [`LANES`] numbers, in the registers that an instruction set has.
//!
//! A kernel is written once, generic over [`Simd`], as a [`Task`]; [`run`] instantiates it in a function that is
//! compiled for the wanted instructions. A [`Simd`] value is a proof that the machine has them: only [`run`] makes one.
#![allow(unsafe_code)]

use super::LANES;
use super::isa::Isa;

/// Arithmetic on vectors of [`LANES`] numbers.
///
/// All methods are `inline(always)`, so that they end up in the function of [`run`] that has the instructions enabled.
pub trait Simd: Copy {
    /// [`LANES`] numbers in registers.
    type Vector: Copy;

    /// Rows of the register tile of a matrix product: weights that are broadcast.
    const ROWS: usize;
    /// Columns of the register tile: vectors of activations. `ROWS`·`COLUMNS` sums and a few operands fit the registers.
    const COLUMNS: usize;

    /// All zero.
    fn zero(self) -> Self::Vector;
    /// The same number in every lane.
    fn splat(self, value: f32) -> Self::Vector;
    /// a + b
    fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// a − b
    fn sub(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// a·b
    fn mul(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// a·b + c
    fn mul_add(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    /// c − a·b
    fn neg_mul_add(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    /// a > b ? a : b, lane by lane: b where one of them is NaN
    fn max(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// a / b
    fn div(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// √a
    fn sqrt(self, a: Self::Vector) -> Self::Vector;
    /// a = b ? then : otherwise, lane by lane; NaN equals nothing
    fn select_equal(
        self,
        a: Self::Vector,
        b: Self::Vector,
        then: Self::Vector,
        otherwise: Self::Vector,
    ) -> Self::Vector;
    /// Reads [`LANES`] numbers.
    ///
    /// # Safety
    /// `from` points to that many readable numbers.
    unsafe fn load(self, from: *const f32) -> Self::Vector;
    /// Reads [`LANES`] numbers if `wanted`, else gives zeros.
    ///
    /// # Safety
    /// If `wanted`, `from` points to that many readable numbers.
    #[inline(always)]
    unsafe fn load_if(self, wanted: bool, from: *const f32) -> Self::Vector {
        // SAFETY: the caller's.
        if wanted { unsafe { self.load(from) } } else { self.zero() }
    }
    /// Writes [`LANES`] numbers.
    ///
    /// # Safety
    /// `to` points to that many writable numbers.
    unsafe fn store(self, to: *mut f32, vector: Self::Vector);

    /// Reads an array.
    #[inline(always)]
    fn read(self, from: &[f32; LANES]) -> Self::Vector {
        // SAFETY: the array has LANES numbers.
        unsafe { self.load(from.as_ptr()) }
    }

    /// Writes an array.
    #[inline(always)]
    fn write(self, to: &mut [f32; LANES], vector: Self::Vector) {
        // SAFETY: the array has LANES numbers.
        unsafe { self.store(to.as_mut_ptr(), vector) }
    }

    /// The lanes as an array.
    #[inline(always)]
    fn lanes(self, vector: Self::Vector) -> [f32; LANES] {
        let mut lanes = [0.0; LANES];
        // SAFETY: the array has LANES numbers.
        unsafe { self.store(lanes.as_mut_ptr(), vector) };
        lanes
    }

    /// Sum over the lanes.
    #[inline(always)]
    fn sum(self, vector: Self::Vector) -> f32 {
        let mut lanes = self.lanes(vector);
        for half in [8, 4, 2, 1] {
            for i in 0..half {
                lanes[i] += lanes[i + half];
            }
        }
        lanes[0]
    }

    /// Sums over the lanes of four vectors.
    #[inline(always)]
    fn sums(self, vectors: [Self::Vector; 4]) -> [f32; 4] {
        vectors.map(|vector| self.sum(vector))
    }

    /// Transposes 16×16 numbers: row r of the result holds number r of each row of `from`.
    ///
    /// # Safety
    /// Rows of [`LANES`] numbers start at `from` + r·`from_stride` and `to` + r·`to_stride` for r in 0..16, readable
    /// and writable.
    #[inline(always)]
    unsafe fn transpose(self, from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        for row in 0..LANES {
            for column in 0..LANES {
                // SAFETY: both are inside rows that the caller vouches for.
                unsafe { *to.add(column * to_stride + row) = *from.add(row * from_stride + column) };
            }
        }
    }
}

/// What the compiler's baseline target can do with arrays.
#[derive(Debug, Clone, Copy)]
pub struct Portable(());

#[inline(always)]
fn each(f: impl Fn(usize) -> f32) -> [f32; LANES] {
    let mut out = [0.0; LANES];
    for (lane, out) in out.iter_mut().enumerate() {
        *out = f(lane);
    }
    out
}

impl Simd for Portable {
    type Vector = [f32; LANES];

    const ROWS: usize = 2;
    const COLUMNS: usize = 1;

    #[inline(always)]
    fn zero(self) -> Self::Vector {
        [0.0; LANES]
    }
    #[inline(always)]
    fn splat(self, value: f32) -> Self::Vector {
        [value; LANES]
    }
    #[inline(always)]
    fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
        each(|i| a[i] + b[i])
    }
    #[inline(always)]
    fn sub(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
        each(|i| a[i] - b[i])
    }
    #[inline(always)]
    fn mul(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
        each(|i| a[i] * b[i])
    }
    // Not `f32::mul_add`: without the instruction that is a call to the C library.
    #[inline(always)]
    fn mul_add(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector {
        each(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    fn neg_mul_add(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector {
        each(|i| c[i] - a[i] * b[i])
    }
    #[inline(always)]
    fn max(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
        each(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn div(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
        each(|i| a[i] / b[i])
    }
    #[inline(always)]
    fn sqrt(self, a: Self::Vector) -> Self::Vector {
        each(|i| a[i].sqrt())
    }
    #[inline(always)]
    fn select_equal(
        self,
        a: Self::Vector,
        b: Self::Vector,
        then: Self::Vector,
        otherwise: Self::Vector,
    ) -> Self::Vector {
        each(|i| if a[i] == b[i] { then[i] } else { otherwise[i] })
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> Self::Vector {
        // SAFETY: the caller vouches for LANES readable numbers; an array of `f32` is aligned like one `f32`.
        unsafe { from.cast::<[f32; LANES]>().read() }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, vector: Self::Vector) {
        // SAFETY: as in `load`.
        unsafe { to.cast::<[f32; LANES]>().write(vector) }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Simd;
    use std::arch::x86_64::*;

    /// Two 8-lane registers.
    #[derive(Debug, Clone, Copy)]
    pub struct Avx2(pub(super) ());

    /// One 16-lane register.
    #[derive(Debug, Clone, Copy)]
    pub struct Avx512(pub(super) ());

    // SAFETY of every block in the two impls below: the token exists only inside `run`, which has checked that the
    // machine has the instructions; loads and stores touch only what their callers vouch for.
    macro_rules! operations {
        ($pair:ident; $($name:ident($($arg:ident),*) $intrinsic:ident;)*) => {
            $(#[inline(always)]
            fn $name(self, $($arg: Self::Vector),*) -> Self::Vector {
                operations!(@$pair $intrinsic $($arg)*)
            })*
        };
        (@two $intrinsic:ident $($arg:ident)*) => {
            // SAFETY: the token proves AVX2 and FMA.
            unsafe { ($intrinsic($($arg.0),*), $intrinsic($($arg.1),*)) }
        };
        (@one $intrinsic:ident $($arg:ident)*) => {
            // SAFETY: the token proves AVX-512F.
            unsafe { $intrinsic($($arg),*) }
        };
    }

    impl Simd for Avx2 {
        type Vector = (__m256, __m256);

        const ROWS: usize = 6;
        const COLUMNS: usize = 1;

        operations! { two;
            add(a, b) _mm256_add_ps;
            sub(a, b) _mm256_sub_ps;
            mul(a, b) _mm256_mul_ps;
            mul_add(a, b, c) _mm256_fmadd_ps;
            neg_mul_add(a, b, c) _mm256_fnmadd_ps;
            max(a, b) _mm256_max_ps;
            div(a, b) _mm256_div_ps;
            sqrt(a) _mm256_sqrt_ps;
        }
        #[inline(always)]
        fn select_equal(
            self,
            a: Self::Vector,
            b: Self::Vector,
            then: Self::Vector,
            otherwise: Self::Vector,
        ) -> Self::Vector {
            // SAFETY: the token proves AVX2.
            let half =
                |a, b, then, otherwise| unsafe { _mm256_blendv_ps(otherwise, then, _mm256_cmp_ps::<_CMP_EQ_OQ>(a, b)) };
            (half(a.0, b.0, then.0, otherwise.0), half(a.1, b.1, then.1, otherwise.1))
        }
        #[inline(always)]
        fn zero(self) -> Self::Vector {
            // SAFETY: the token proves AVX2.
            unsafe { (_mm256_setzero_ps(), _mm256_setzero_ps()) }
        }
        #[inline(always)]
        fn splat(self, value: f32) -> Self::Vector {
            // SAFETY: the token proves AVX2.
            unsafe { (_mm256_set1_ps(value), _mm256_set1_ps(value)) }
        }
        #[inline(always)]
        unsafe fn load(self, from: *const f32) -> Self::Vector {
            // SAFETY: the token proves AVX2, the caller vouches for 16 readable numbers.
            unsafe { (_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))) }
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32, vector: Self::Vector) {
            // SAFETY: the token proves AVX2, the caller vouches for 16 writable numbers.
            unsafe {
                _mm256_storeu_ps(to, vector.0);
                _mm256_storeu_ps(to.add(8), vector.1);
            }
        }

        #[inline(always)]
        fn sums(self, vectors: [Self::Vector; 4]) -> [f32; 4] {
            let mut sums = [0.0; 4];
            // SAFETY: the token proves AVX2 (and with it AVX and SSE); four numbers fit.
            unsafe {
                let [a, b, c, d] = vectors;
                let (a, b) = (_mm256_add_ps(a.0, a.1), _mm256_add_ps(b.0, b.1));
                let (c, d) = (_mm256_add_ps(c.0, c.1), _mm256_add_ps(d.0, d.1));
                let halves = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
                let sum = _mm_add_ps(_mm256_castps256_ps128(halves), _mm256_extractf128_ps(halves, 1));
                _mm_storeu_ps(sums.as_mut_ptr(), sum);
            }
            sums
        }
    }

    impl Simd for Avx512 {
        type Vector = __m512;

        const ROWS: usize = 6;
        const COLUMNS: usize = 4;

        operations! { one;
            add(a, b) _mm512_add_ps;
            sub(a, b) _mm512_sub_ps;
            mul(a, b) _mm512_mul_ps;
            mul_add(a, b, c) _mm512_fmadd_ps;
            neg_mul_add(a, b, c) _mm512_fnmadd_ps;
            max(a, b) _mm512_max_ps;
            div(a, b) _mm512_div_ps;
            sqrt(a) _mm512_sqrt_ps;
        }
        #[inline(always)]
        fn select_equal(
            self,
            a: Self::Vector,
            b: Self::Vector,
            then: Self::Vector,
            otherwise: Self::Vector,
        ) -> Self::Vector {
            // SAFETY: the token proves AVX-512F.
            unsafe { _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_EQ_OQ>(a, b), otherwise, then) }
        }
        #[inline(always)]
        fn zero(self) -> Self::Vector {
            // SAFETY: the token proves AVX-512F.
            unsafe { _mm512_setzero_ps() }
        }
        #[inline(always)]
        fn splat(self, value: f32) -> Self::Vector {
            // SAFETY: the token proves AVX-512F.
            unsafe { _mm512_set1_ps(value) }
        }
        #[inline(always)]
        unsafe fn load(self, from: *const f32) -> Self::Vector {
            // SAFETY: the token proves AVX-512F, the caller vouches for 16 readable numbers.
            unsafe { _mm512_loadu_ps(from) }
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32, vector: Self::Vector) {
            // SAFETY: the token proves AVX-512F, the caller vouches for 16 writable numbers.
            unsafe { _mm512_storeu_ps(to, vector) }
        }

        // A masked load: no branch.
        #[inline(always)]
        unsafe fn load_if(self, wanted: bool, from: *const f32) -> Self::Vector {
            // SAFETY: the token proves AVX-512F; a masked load touches nothing where the mask is 0.
            unsafe { _mm512_maskz_loadu_ps(0u16.wrapping_sub(u16::from(wanted)), from) }
        }

        #[inline(always)]
        fn sums(self, [a, b, c, d]: [Self::Vector; 4]) -> [f32; 4] {
            let mut sums = [0.0; 4];
            // SAFETY: the token proves AVX-512F (and with it AVX and SSE).
            unsafe {
                let ab = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
                let cd = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
                let (ab, cd) = (_mm512_castps_pd(ab), _mm512_castps_pd(cd));
                let (low, high) = (_mm512_unpacklo_pd(ab, cd), _mm512_unpackhi_pd(ab, cd));
                let quarters = _mm512_add_ps(_mm512_castpd_ps(low), _mm512_castpd_ps(high));
                let half =
                    _mm512_castpd_ps(_mm512_castpd256_pd512(_mm512_extractf64x4_pd(_mm512_castps_pd(quarters), 1)));
                let half = _mm256_add_ps(_mm512_castps512_ps256(quarters), _mm512_castps512_ps256(half));
                let sum = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
                _mm_storeu_ps(sums.as_mut_ptr(), sum);
            }
            sums
        }

        // Four rounds of exchanges between rows whose numbers differ in one bit: 64 shuffles for 256 numbers.
        #[inline(always)]
        unsafe fn transpose(self, from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
            // SAFETY: the token proves AVX-512F, the caller vouches for the rows.
            unsafe {
                let mut a: [__m512; 16] = std::array::from_fn(|r| _mm512_loadu_ps(from.add(r * from_stride)));
                let mut b = a;
                for i in 0..8 {
                    b[2 * i] = _mm512_unpacklo_ps(a[2 * i], a[2 * i + 1]);
                    b[2 * i + 1] = _mm512_unpackhi_ps(a[2 * i], a[2 * i + 1]);
                }
                for i in 0..4 {
                    let pair = |x, y| (_mm512_castps_pd(x), _mm512_castps_pd(y));
                    for j in 0..2 {
                        let (x, y) = pair(b[4 * i + j], b[4 * i + j + 2]);
                        a[4 * i + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(x, y));
                        a[4 * i + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(x, y));
                    }
                }
                // Now a[4i + j] holds, in its quarter q, number 4q + j of rows 4i..4i+4.
                for j in 0..4 {
                    let (low, high) =
                        (_mm512_shuffle_f32x4(a[j], a[4 + j], 0x44), _mm512_shuffle_f32x4(a[j], a[4 + j], 0xee));
                    let (low2, high2) = (
                        _mm512_shuffle_f32x4(a[8 + j], a[12 + j], 0x44),
                        _mm512_shuffle_f32x4(a[8 + j], a[12 + j], 0xee),
                    );
                    _mm512_storeu_ps(to.add(j * to_stride), _mm512_shuffle_f32x4(low, low2, 0x88));
                    _mm512_storeu_ps(to.add((4 + j) * to_stride), _mm512_shuffle_f32x4(low, low2, 0xdd));
                    _mm512_storeu_ps(to.add((8 + j) * to_stride), _mm512_shuffle_f32x4(high, high2, 0x88));
                    _mm512_storeu_ps(to.add((12 + j) * to_stride), _mm512_shuffle_f32x4(high, high2, 0xdd));
                }
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
pub use x86::{Avx2, Avx512};

/// A kernel with its arguments, not yet bound to an instruction set.
pub trait Task {
    /// What it gives back.
    type Output;
    /// Does the work; implementations are `#[inline(always)]`, as is everything hot that they call.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// Runs a task with the instructions of `isa`.
///
/// # Panics
/// When this machine lacks them: `isa` must come from [`Isa::detect`], [`Isa::best`] or the like.
pub fn run<T: Task>(isa: Isa, task: T) -> T::Output {
    assert!(isa.is_available());
    match isa {
        Isa::Portable => task.run(Portable(())),
        // SAFETY: `is_available` has just checked these instructions.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => unsafe { run_avx2(task) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => unsafe { run_avx512(task) },
        #[cfg(not(target_arch = "x86_64"))]
        _ => task.run(Portable(())),
    }
}

/// Asks for the cache line at `at` to be brought into the L2 cache; any address is fine.
#[inline(always)]
pub fn prefetch(at: *const f32) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: a prefetch never faults, and SSE is in the baseline.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T1 }>(at.cast());
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = at;
}

/// [`Simd::ROWS`] of an instruction set.
pub fn rows(isa: Isa) -> usize {
    match isa {
        Isa::Portable => Portable::ROWS,
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => Avx2::ROWS,
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => Avx512::ROWS,
        #[cfg(not(target_arch = "x86_64"))]
        _ => Portable::ROWS,
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn run_avx2<T: Task>(task: T) -> T::Output {
    task.run(Avx2(()))
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx2,fma")]
fn run_avx512<T: Task>(task: T) -> T::Output {
    task.run(Avx512(()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::native::kernels::testing::numbers;

    struct Transpose<'a>(&'a [f32], &'a mut [f32]);

    impl Task for Transpose<'_> {
        type Output = ();
        #[inline(always)]
        fn run<S: Simd>(self, simd: S) {
            assert!(self.0.len() >= 15 * 17 + 16 && self.1.len() >= 15 * 19 + 16);
            // SAFETY: 16 rows of 16 numbers fit, by the assertion.
            unsafe { simd.transpose(self.0.as_ptr(), 17, self.1.as_mut_ptr(), 19) }
        }
    }

    struct Arithmetic<'a>(&'a [f32]);

    impl Task for Arithmetic<'_> {
        type Output = Vec<[f32; LANES]>;
        #[inline(always)]
        fn run<S: Simd>(self, s: S) -> Self::Output {
            assert!(self.0.len() >= 3 * LANES);
            // SAFETY: three vectors fit, by the assertion.
            let [a, b, c] = [0, 1, 2].map(|i| unsafe { s.load(self.0.as_ptr().add(i * LANES)) });
            let results =
                [s.add(a, b), s.sub(a, b), s.mul(a, b), s.mul_add(a, b, c), s.neg_mul_add(a, b, c), s.max(a, b)];
            let nan = s.splat(f32::NAN);
            let more = [
                s.div(a, b),
                s.sqrt(s.mul(a, a)),
                s.select_equal(a, s.max(a, b), b, c),
                s.select_equal(nan, nan, a, b),
                s.max(nan, b),
            ];
            let sums = s.sums([a, b, c, a]);
            results
                .into_iter()
                .chain(more)
                .chain(sums.map(|sum| s.splat(sum)))
                .chain([s.splat(s.sum(a)), s.zero()])
                .map(|v| s.lanes(v))
                .collect()
        }
    }

    #[test]
    fn every_instruction_set_computes_the_same() {
        let x = numbers(1, 48);
        let expected = run(Isa::Portable, Arithmetic(&x));
        assert_eq!(expected[0][3], x[3] + x[19]);
        assert_eq!(expected[4][3], x[35] - x[3] * x[19]);
        assert_eq!((expected[9][3], expected[10][3]), (x[19], x[19]));
        for isa in Isa::available() {
            for (found, expected) in run(isa, Arithmetic(&x)).iter().zip(&expected) {
                assert!(found.iter().zip(expected).all(|(f, e)| (f - e).abs() < 1e-6), "{isa}: {found:?} {expected:?}");
            }
        }
    }

    #[test]
    fn transposes() {
        let x = numbers(1, 300);
        for isa in Isa::available() {
            let mut y = vec![0.0; 320];
            run(isa, Transpose(&x, &mut y));
            for (r, c) in (0..16).flat_map(|r| (0..16).map(move |c| (r, c))) {
                assert_eq!(y[c * 19 + r], x[r * 17 + c], "{isa} {r} {c}");
            }
        }
    }
}

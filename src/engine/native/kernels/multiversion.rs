//! Compiles one plain Rust kernel several times, once an instruction set, and picks at run time.
//!
//! The kernels that stream through memory (element-wise ops, batch norm, pools, …) need no intrinsics: a loop over
//! 16 lanes vectorises by itself once the compiler may use wide registers. Every version does the same operations in
//! the same order without contraction, so the results are the same bits on every instruction set.

#![allow(unsafe_code)]

/// Declares `pub fn name(isa: Isa, arguments…)` whose body is compiled for every [`super::isa::Isa`].
macro_rules! multiversion {
    ($($(#[$meta:meta])* pub fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block)*) => {$(
        $(#[$meta])*
        #[allow(clippy::too_many_arguments)]
        pub fn $name(isa: $crate::engine::native::kernels::isa::Isa, $($argument: $type),*) $(-> $result)? {
            #[inline(always)]
            #[allow(clippy::too_many_arguments)]
            fn body($($argument: $type),*) $(-> $result)? $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")]
            #[allow(clippy::too_many_arguments)]
            fn avx512($($argument: $type),*) $(-> $result)? {
                body($($argument),*)
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            #[allow(clippy::too_many_arguments)]
            fn avx2($($argument: $type),*) $(-> $result)? {
                body($($argument),*)
            }

            match isa {
                // SAFETY: an `Isa` other than the portable one exists only where the processor has its features.
                #[cfg(target_arch = "x86_64")]
                $crate::engine::native::kernels::isa::Isa::Avx512 => unsafe { avx512($($argument),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                $crate::engine::native::kernels::isa::Isa::Avx2 => unsafe { avx2($($argument),*) },
                _ => body($($argument),*),
            }
        }
    )*};
}
pub(crate) use multiversion;

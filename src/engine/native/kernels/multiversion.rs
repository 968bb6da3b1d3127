//! Compiles one plain Rust kernel several times, once an instruction set, and picks at run time.
//!
//! The kernels that stream through memory (element-wise ops, batch norm, pools, …) need no intrinsics: a loop over
//! 16 lanes vectorises by itself once the compiler may use wide registers. Every version does the same operations in
//! the same order without contraction, so the results are the same bits on every instruction set.

/// Declares `pub fn name(isa: Isa, arguments…)` whose body is compiled for every [`super::isa::Isa`].
macro_rules! multiversion {
    ($($(#[$meta:meta])* pub fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block)*) => {$(
        $(#[$meta])*
        #[allow(unsafe_code, clippy::too_many_arguments)]
        pub fn $name(isa: $crate::engine::native::kernels::isa::Isa, $($argument: $type),*) $(-> $result)? {
            #[inline(always)]
            #[allow(clippy::too_many_arguments)]
            fn body($($argument: $type),*) $(-> $result)? $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx2,fma")]
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

            use $crate::engine::native::kernels::isa::Isa;
            match isa {
                // SAFETY: the guard has just asked the processor for these features.
                #[cfg(target_arch = "x86_64")]
                Isa::Avx512 if isa.is_available() => unsafe { avx512($($argument),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                Isa::Avx2 if isa.is_available() => unsafe { avx2($($argument),*) },
                _ => body($($argument),*),
            }
        }
    )*};
}
pub(crate) use multiversion;

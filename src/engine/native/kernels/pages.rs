//! Large pages for large memory.
#![allow(unsafe_code)]

/// Asks the system to back `memory` with large pages where it can. Only worth it before the memory is first touched;
/// a system that does not know of it leaves everything as it is.
///
/// A batch's activations are some hundred megabytes, walked through many times a step. With pages of 4 KiB every walk
/// misses the address cache once a page and the prefetcher stops at every page's end: a training step of ResNet-20 takes
/// a fifth longer.
pub fn prefer_large(memory: &mut [f32]) {
    #[cfg(all(target_os = "linux", not(miri)))]
    {
        use std::ffi::{c_int, c_void};
        unsafe extern "C" {
            fn madvise(address: *mut c_void, length: usize, advice: c_int) -> c_int;
        }
        const MADV_HUGEPAGE: c_int = 14;
        const PAGE: usize = 4096;
        let bytes = std::mem::size_of_val(memory);
        let skipped = memory.as_ptr().align_offset(PAGE) * size_of::<f32>();
        if bytes > skipped + PAGE {
            let length = (bytes - skipped) / PAGE * PAGE;
            let address = memory.as_mut_ptr().wrapping_byte_add(skipped).cast();
            // SAFETY: the range lies within `memory`, which is borrowed for writing; the advice changes no contents.
            // A refusal (an old kernel, a system without large pages) is no error: the memory works as it is.
            let _ = unsafe { madvise(address, length, MADV_HUGEPAGE) };
        }
    }
    #[cfg(not(all(target_os = "linux", not(miri))))]
    let _ = memory;
}

#[cfg(test)]
mod tests {
    #[test]
    fn contents_stay() {
        for len in [0, 1, 2000, 3_000_000] {
            let mut memory: Vec<f32> = (0..len).map(|i| i as f32).collect();
            super::prefer_large(&mut memory);
            assert!(memory.iter().enumerate().all(|(i, x)| *x == i as f32));
        }
    }
}

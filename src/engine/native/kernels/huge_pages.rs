//! Huge pages for large memory.
#![allow(unsafe_code)]

/// Asks the system to back this memory with huge pages where it can. Only worth it before the memory is first touched; a
/// hint that may be ignored.
///
/// A batch's activations are some hundred megabytes, walked through many times a step. With pages of 4 KiB every walk
/// misses the address cache once a page and the prefetcher stops at every page's end: a training step of ResNet-20 takes
/// a fifth longer.
pub fn prefer(start: *mut u8, bytes: usize) {
    #[cfg(all(target_os = "linux", not(miri)))]
    {
        use std::ffi::{c_int, c_void};
        unsafe extern "C" {
            fn madvise(address: *mut c_void, length: usize, advice: c_int) -> c_int;
        }
        const MADV_HUGEPAGE: c_int = 14;
        const PAGE: usize = 4096;
        // Whole pages only: what else is in the first and the last is not ours.
        let skipped = start.align_offset(PAGE);
        if bytes > skipped.saturating_add(PAGE) {
            let length = (bytes - skipped) / PAGE * PAGE;
            // SAFETY: this advice changes how memory is backed, never what is in it; an address that is not mapped is
            // refused. A refusal (or a system without huge pages) is no error: the memory works as it is.
            let _ = unsafe { madvise(start.wrapping_add(skipped).cast(), length, MADV_HUGEPAGE) };
        }
    }
    #[cfg(not(all(target_os = "linux", not(miri))))]
    let _ = (start, bytes);
}

#[cfg(test)]
mod tests {
    #[test]
    fn contents_stay() {
        for len in [0, 1, 2000, 3_000_000] {
            let mut memory: Vec<f32> = (0..len).map(|i| i as f32).collect();
            super::prefer(memory.as_mut_ptr().cast(), 4 * len);
            assert!(memory.iter().enumerate().all(|(i, x)| *x == i as f32));
        }
    }
}

//! Memory that starts on a cache line and, when it is large, asks for huge pages.
#![allow(unsafe_code)]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// A cache line: a 64-byte load that straddles two costs two, and in a misaligned tensor every load would.
const LINE: usize = 64;
/// A huge page of x86-64 and most others.
const HUGE: usize = 2 << 20;

/// A fixed run of `f32` that starts at a multiple of 64 bytes, zero at first.
///
/// From 2 MiB on it starts on a huge page and asks the system for such: one plane of a block can be 64 KiB from the next,
/// so that with pages of 4 KiB a kernel touches more of them than the processor's first table of addresses holds.
pub struct Buffer {
    start: NonNull<f32>,
    len: usize,
}

// SAFETY: a buffer owns its memory alone, like a `Vec<f32>`.
unsafe impl Send for Buffer {}
// SAFETY: `&Buffer` gives only `&[f32]`.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// `len` zeros.
    ///
    /// # Panics
    /// When `len` numbers are more than an address space.
    pub fn zeroed(len: usize) -> Self {
        if len == 0 {
            return Buffer { start: NonNull::dangling(), len };
        }
        let layout = Self::layout(len);
        // SAFETY: the size is not zero.
        let start = unsafe { alloc(layout) };
        let Some(start) = NonNull::new(start) else { handle_alloc_error(layout) };
        if layout.align() == HUGE {
            super::huge_pages::prefer(start.as_ptr(), layout.size());
        }
        // SAFETY: the allocation has this size; all-zero bytes are 0.0.
        unsafe { start.as_ptr().write_bytes(0, layout.size()) };
        Buffer { start: start.cast(), len }
    }

    fn layout(len: usize) -> Layout {
        let size = len.checked_mul(size_of::<f32>()).and_then(|size| size.checked_next_multiple_of(LINE));
        let align = if size.is_some_and(|size| size >= HUGE) { HUGE } else { LINE };
        let layout = size.and_then(|size| Layout::from_size_align(size, align).ok());
        assert!(layout.is_some(), "a buffer of {len} numbers");
        layout.unwrap_or(Layout::new::<f32>())
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.len > 0 {
            // SAFETY: `start` came from `alloc` with this layout, and is given back once.
            unsafe { dealloc(self.start.as_ptr().cast(), Self::layout(self.len)) };
        }
    }
}

impl Clone for Buffer {
    fn clone(&self) -> Self {
        let mut copy = Buffer::zeroed(self.len);
        copy.copy_from_slice(self);
        copy
    }
}

impl Default for Buffer {
    fn default() -> Self {
        Buffer::zeroed(0)
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} numbers)", self.len)
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: `start` is aligned and owns `len` initialised numbers, borrowed as long as `self`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as in `deref`; `&mut self` makes the borrow unique.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_on_a_cache_line_and_holds_what_is_written() {
        for len in [0, 1, 16, 17, 1000, if cfg!(miri) { 1001 } else { 1_000_000 }] {
            let mut buffer = Buffer::zeroed(len);
            assert_eq!(buffer.len(), len);
            assert!(len == 0 || (buffer.as_ptr() as usize).is_multiple_of(64));
            assert!(buffer.iter().all(|x| *x == 0.0));
            buffer.iter_mut().enumerate().for_each(|(i, x)| *x = i as f32);
            let copy = buffer.clone();
            drop(buffer);
            assert!(copy.iter().enumerate().all(|(i, x)| *x == i as f32));
        }
    }
}

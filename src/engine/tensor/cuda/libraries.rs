//! The CUDA libraries, loaded when they are asked for instead of when the program starts.
//!
//! cudarc's bindings are plain references to `cuInit` and so on. Linked in the usual way, a program that has them does
//! not even start on a machine without the driver. So the names are defined here, each a jump through a slot. A slot
//! leads to [`unavailable`] until [`load`] has found the function in the driver or in cuBLAS. The linker then needs
//! none of the libraries: one binary runs with and without CUDA, and says what is missing.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, Ordering};

/// What an entry point answers before its library is loaded: `CUDA_ERROR_NOT_INITIALIZED`, which is an error to cuBLAS
/// and NVRTC too.
extern "C" fn unavailable() -> c_int {
    3
}

/// A function's name and the slot that its definition jumps through.
type Entry = (&'static CStr, &'static AtomicPtr<c_void>);

/// A library: where it may be found, and what is wanted of it.
struct Library {
    /// File names, newest first.
    names: &'static [&'static str],
    /// Whether nothing works without it.
    required: bool,
    entries: Vec<Entry>,
}

/// Defines functions that jump through a slot, and a function that lists their slots.
macro_rules! entries {
    ($list:ident: $($name:literal)+) => {
        $(
            #[cfg(target_arch = "x86_64")]
            std::arch::global_asm!(
                concat!(".pushsection .data.netc_slot_", $name, ",\"aw\",@progbits"),
                ".balign 8",
                concat!(".globl netc_slot_", $name),
                concat!(".hidden netc_slot_", $name),
                concat!("netc_slot_", $name, ": .quad {unavailable}"),
                ".popsection",
                concat!(".pushsection .text.", $name, ",\"ax\",@progbits"),
                concat!(".globl ", $name),
                concat!(".hidden ", $name),
                concat!(".type ", $name, ",@function"),
                concat!($name, ": jmp qword ptr [rip + netc_slot_", $name, "]"),
                ".popsection",
                unavailable = sym unavailable,
            );
            #[cfg(target_arch = "aarch64")]
            std::arch::global_asm!(
                concat!(".pushsection .data.netc_slot_", $name, ",\"aw\",@progbits"),
                ".balign 8",
                concat!(".globl netc_slot_", $name),
                concat!(".hidden netc_slot_", $name),
                concat!("netc_slot_", $name, ": .quad {unavailable}"),
                ".popsection",
                concat!(".pushsection .text.", $name, ",\"ax\",@progbits"),
                ".balign 4",
                concat!(".globl ", $name),
                concat!(".hidden ", $name),
                concat!(".type ", $name, ",@function"),
                concat!($name, ": adrp x16, netc_slot_", $name),
                concat!("ldr x16, [x16, :lo12:netc_slot_", $name, "]"),
                "br x16",
                ".popsection",
                unavailable = sym unavailable,
            );
        )+
        fn $list() -> Vec<Entry> {
            vec![$({
            unsafe extern "C" {
                #[link_name = concat!("netc_slot_", $name)]
                safe static SLOT: AtomicPtr<c_void>;
            }
            let name: &'static CStr = CStr::from_bytes_with_nul(concat!($name, "\0").as_bytes()).unwrap_or(c"");
            (name, &SLOT)
        }),+]
        }
    };
}

entries!(driver:
    "cuCtxSetCurrent" "cuDeviceGet" "cuDeviceGetAttribute" "cuDeviceGetCount" "cuDevicePrimaryCtxRelease_v2"
    "cuDevicePrimaryCtxRetain" "cuEventCreate" "cuEventDestroy_v2" "cuEventRecord" "cuGetErrorName"
    "cuGetErrorString" "cuInit" "cuLaunchKernel" "cuMemAllocAsync" "cuMemAlloc_v2" "cuMemFreeAsync" "cuMemFree_v2"
    "cuMemcpyDtoDAsync_v2" "cuMemcpyDtoD_v2" "cuMemcpyDtoHAsync_v2" "cuMemcpyDtoH_v2" "cuMemcpyHtoDAsync_v2"
    "cuMemcpyHtoD_v2" "cuMemsetD8Async" "cuMemsetD8_v2" "cuModuleGetFunction" "cuModuleLoad" "cuModuleLoadData"
    "cuModuleUnload" "cuStreamCreate" "cuStreamDestroy_v2" "cuStreamSynchronize" "cuStreamWaitEvent"
);
entries!(blas:
    "cublasCreate_v2" "cublasDestroy_v2" "cublasSetStream_v2" "cublasSgemmStridedBatched" "cublasSgemm_v2"
);
// dfdx refers to the run-time compiler in operations that are not used here.
entries!(compiler:
    "nvrtcCompileProgram" "nvrtcCreateProgram" "nvrtcDestroyProgram" "nvrtcGetPTX" "nvrtcGetPTXSize"
    "nvrtcGetProgramLog" "nvrtcGetProgramLogSize"
);

/// Every function that dfdx and cudarc refer to.
fn libraries() -> [Library; 3] {
    let blas_names = &["libcublas.so.13", "libcublas.so.12", "libcublas.so.11"];
    [
        Library { names: &["libcuda.so.1"], required: true, entries: driver() },
        Library { names: blas_names, required: true, entries: blas() },
        Library { names: &["libnvrtc.so.13", "libnvrtc.so.12"], required: false, entries: compiler() },
    ]
}

#[link(name = "dl")]
unsafe extern "C" {
    fn dlopen(path: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
}

/// Resolve every symbol at once (`RTLD_NOW`); keep them out of the way of others (`RTLD_LOCAL`, 0).
const NOW: c_int = 2;

/// Loads the driver and cuBLAS, once; they stay loaded.
///
/// # Errors
/// What is missing, in a sentence.
pub fn load() -> Result<(), String> {
    static LOADED: OnceLock<Result<(), String>> = OnceLock::new();
    LOADED.get_or_init(|| libraries().iter().try_for_each(Library::load)).clone()
}

impl Library {
    fn load(&self) -> Result<(), String> {
        let Some((path, library)) = self.find() else {
            return if self.required { Err(missing(self.names)) } else { Ok(()) };
        };
        let mut found = Vec::with_capacity(self.entries.len());
        for (name, slot) in &self.entries {
            // SAFETY: `library` came from `dlopen` and is never closed; the name ends in a zero.
            let function = unsafe { dlsym(library, name.as_ptr()) };
            if function.is_null() {
                return Err(format!("{} is too old: it has no `{}`", path.display(), name.to_string_lossy()));
            }
            found.push((slot, function));
        }
        // All or nothing: no call ever meets half a library.
        found.into_iter().for_each(|(slot, function)| slot.store(function, Ordering::Release));
        Ok(())
    }

    /// The first file that opens: by the system's own search, then beside the program, then in the toolkit.
    fn find(&self) -> Option<(PathBuf, *mut c_void)> {
        let beside = std::env::current_exe().ok().and_then(|path| path.parent().map(PathBuf::from));
        let toolkits = ["CUDA_ROOT", "CUDA_PATH", "CUDA_HOME"].into_iter().filter_map(std::env::var_os);
        let toolkits = toolkits.map(PathBuf::from).chain([PathBuf::from("/usr/local/cuda")]);
        let inside = toolkits.flat_map(|root| [root.join("lib64"), root.join("lib")]);
        let folders: Vec<PathBuf> = [PathBuf::new()].into_iter().chain(beside).chain(inside).collect();
        let paths = folders.iter().flat_map(|folder| self.names.iter().map(move |name| folder.join(name)));
        paths.into_iter().find_map(|path| {
            let text = CString::new(path.to_str()?).ok()?;
            // SAFETY: the path ends in a zero. Loading runs the library's own start-up code, which is what is wanted.
            let library = unsafe { dlopen(text.as_ptr(), NOW) };
            (!library.is_null()).then_some((path, library))
        })
    }
}

fn missing(names: &[&str]) -> String {
    match names {
        ["libcuda.so.1"] => {
            "there is no CUDA driver (`libcuda.so.1` cannot be loaded): is there a GPU, and is its driver installed?"
                .into()
        }
        _ => format!(
            "the CUDA driver is there, but none of {} can be loaded: install the CUDA toolkit, or say where it is with CUDA_ROOT",
            names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_before_loading_is_an_error() {
        unsafe extern "C" {
            fn nvrtcGetPTXSize(program: *mut c_void, size: *mut usize) -> c_int;
        }
        let entries = compiler();
        let (name, slot) = entries.iter().find(|(name, _)| *name == c"nvrtcGetPTXSize").unwrap();
        // Nothing in this test loads a library, and no other test asks for the compiler's functions by name.
        if slot.load(Ordering::Acquire) == unavailable as *mut c_void {
            // SAFETY: the slot leads to `unavailable`, which reads no argument.
            let answer = unsafe { nvrtcGetPTXSize(std::ptr::null_mut(), std::ptr::null_mut()) };
            assert_eq!(answer, 3, "{name:?}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let nowhere = Library { names: &["libnetc-is-not-there.so.7"], required: true, entries: Vec::new() };
        assert!(nowhere.load().unwrap_err().contains("libnetc-is-not-there.so.7"));
        assert!(Library { required: false, ..nowhere }.load().is_ok());
        assert!(missing(&["libcuda.so.1"]).contains("driver"));
    }
}

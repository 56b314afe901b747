//! Compiled code: a sealed memfd, measured after sealing, mapped read-only, made executable by Wasmtime's own hook.

use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::Mutex;

use sha2::{Digest, Sha256};
use wasmtime::component::Component;
use wasmtime::{CustomCodeMemory, Engine};

const PAGE_BYTES: usize = 4096;

#[derive(Debug)]
pub enum CodeError {
    Seal(std::io::Error),
    Map(std::io::Error),
    /// The sealed bytes have another digest than the one named.
    Digest,
    /// Wasmtime refuses the image: another version, other settings, damaged.
    Engine(wasmtime::Error),
}

struct Mapping {
    start: usize,
    length: usize,
    /// Set when Wasmtime said that no code runs from it any more.
    unpublished: bool,
}

static MAPPINGS: Mutex<Vec<Mapping>> = Mutex::new(Vec::new());

/// Makes exactly the text of a mapped image executable; never writable and executable at once.
pub struct SealedCode;

impl CustomCodeMemory for SealedCode {
    fn required_alignment(&self) -> usize {
        PAGE_BYTES
    }

    fn publish_executable(&self, ptr: *const u8, len: usize) -> wasmtime::Result<()> {
        protect(ptr, len, libc::PROT_READ | libc::PROT_EXEC)
    }

    fn unpublish_executable(&self, ptr: *const u8, len: usize) -> wasmtime::Result<()> {
        protect(ptr, len, libc::PROT_READ)?;
        let at = ptr as usize;
        let mut mappings = MAPPINGS.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(m) = mappings.iter_mut().find(|m| at >= m.start && at < m.start + m.length) {
            m.unpublished = true;
        }
        Ok(())
    }
}

fn protect(ptr: *const u8, len: usize, protection: i32) -> wasmtime::Result<()> {
    // SAFETY: Wasmtime hands over a page-aligned range inside an image that `load_sealed` mapped. The mapping is private
    // and never written, so no Rust reference to it is invalidated by adding or removing PROT_EXEC.
    let done = unsafe { libc::mprotect(ptr.cast_mut().cast(), len, protection) };
    if done == 0 { Ok(()) } else { Err(std::io::Error::last_os_error().into()) }
}

/// Seals `file` (a memfd of `size` bytes), compares its SHA-256 with `expected`, and maps it as a component.
///
/// The caller vouches that `expected` is the digest of an image which Caisson's own compiler wrote and whose record
/// carries a valid MAC: a forged image is native code.
pub fn load_sealed(engine: &Engine, file: OwnedFd, size: usize, expected: &[u8; 32]) -> Result<Component, CodeError> {
    let seals = libc::F_SEAL_SEAL | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE;
    // SAFETY: fcntl on a descriptor that we own; F_ADD_SEALS takes an integer and touches no memory of ours.
    if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) } != 0 {
        return Err(CodeError::Seal(std::io::Error::last_os_error()));
    }
    // Sealed now, so its length is final; a mapping beyond it would raise SIGBUS.
    // SAFETY: lseek on a descriptor that we own touches no memory of ours.
    let length = unsafe { libc::lseek(file.as_raw_fd(), 0, libc::SEEK_END) };
    if size == 0 || length != size as i64 {
        return Err(CodeError::Digest);
    }
    // SAFETY: a fresh private mapping at an address of the kernel's choice overlaps nothing of ours.
    let start =
        unsafe { libc::mmap(std::ptr::null_mut(), size, libc::PROT_READ, libc::MAP_PRIVATE, file.as_raw_fd(), 0) };
    if start == libc::MAP_FAILED {
        return Err(CodeError::Map(std::io::Error::last_os_error()));
    }
    // SAFETY: the mapping is `size` readable bytes of a file sealed against write, shrink and grow: they neither change
    // nor vanish. It stays until it is swept, after its last use (see `sweep_unpublished`).
    let bytes = unsafe { std::slice::from_raw_parts(start.cast::<u8>(), size) };
    if <[u8; 32]>::from(Sha256::digest(bytes)) != *expected {
        unmap(start as usize, size);
        return Err(CodeError::Digest);
    }
    let mapping = Mapping { start: start as usize, length: size, unpublished: false };
    MAPPINGS.lock().unwrap_or_else(|e| e.into_inner()).push(mapping);
    let image = NonNull::from(bytes);
    // SAFETY: the image is what our compiler wrote (the caller's vouched digest matches the sealed bytes), it is never
    // modified, and it stays mapped until Wasmtime has dropped the last reference to it. A refused image stays mapped.
    unsafe { Component::deserialize_raw(engine, image) }.map_err(CodeError::Engine)
}

/// Unmaps the images that Wasmtime has let go. Call it from the thread that drops components, never inside such a drop:
/// Wasmtime announces the end of an image from the last reference's destructor, which still reads it before it returns.
pub fn sweep_unpublished() {
    let mut mappings = MAPPINGS.lock().unwrap_or_else(|e| e.into_inner());
    mappings.retain(|m| {
        if m.unpublished {
            unmap(m.start, m.length);
        }
        !m.unpublished
    });
}

fn unmap(start: usize, length: usize) {
    // SAFETY: the range is one mapping made by `load_sealed`, which no component and no slice uses any more.
    unsafe { libc::munmap(start as *mut libc::c_void, length) };
}

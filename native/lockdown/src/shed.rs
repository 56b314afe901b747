//! Giving up rights: privileges, files, core dumps, resources.

use std::io::{Error, Result};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// The stream socket that the parent left at descriptor `fd`; an error when it is not an open stream socket.
///
/// Call it once, at start, before any other code owns descriptors.
pub fn inherited_stream(fd: i32) -> Result<UnixStream> {
    let mut kind: libc::c_int = 0;
    let mut length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: getsockopt writes at most `length` bytes into `kind`, both of which outlive the call.
    let done =
        unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_TYPE, (&raw mut kind).cast(), &raw mut length) };
    if done != 0 {
        return Err(Error::last_os_error());
    }
    if kind != libc::SOCK_STREAM {
        return Err(Error::other("descriptor is not a stream socket"));
    }
    // SAFETY: the descriptor is open (getsockopt succeeded) and, by the contract above, nobody else in this process owns it.
    Ok(UnixStream::from(unsafe { OwnedFd::from_raw_fd(fd) }))
}

/// No program started from here may gain rights; also what lets an unprivileged process install a filter.
pub fn no_new_privileges() -> Result<()> {
    // SAFETY: prctl with integer arguments only.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })
}

/// No core dump and no ptrace by processes of the same user.
pub fn undumpable() -> Result<()> {
    // SAFETY: prctl with integer arguments only.
    check(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) })
}

#[repr(C)]
struct RulesetAttr {
    files: u64,
    net: u64,
    scoped: u64,
}

/// Landlock with no rule: no file, no TCP port, no abstract socket. `false` where the kernel lacks it; the system call
/// filter, which has no open and no socket, holds there alone.
pub fn restrict_files() -> Result<bool> {
    // SAFETY: with a null pointer and size 0 the call only reports the version.
    let version = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, 0usize, 0usize, 1u32) };
    if version < 1 {
        return Ok(false);
    }
    let files = match version {
        1 => (1u64 << 13) - 1,
        2 => (1 << 14) - 1,
        3 | 4 => (1 << 15) - 1,
        _ => (1 << 16) - 1,
    };
    let attr = RulesetAttr { files, net: if version >= 4 { 3 } else { 0 }, scoped: if version >= 6 { 3 } else { 0 } };
    let size = if version >= 6 {
        24usize
    } else if version >= 4 {
        16
    } else {
        8
    };
    // SAFETY: the kernel reads `size` bytes, at most the 24 of `attr`, which outlives the call.
    let ruleset = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, &raw const attr, size, 0u32) };
    if ruleset < 0 {
        return Err(Error::last_os_error());
    }
    // SAFETY: integer arguments; the descriptor was just returned to us and is closed once, here.
    unsafe {
        let done = libc::syscall(libc::SYS_landlock_restrict_self, ruleset, 0u32);
        let error = Error::last_os_error();
        libc::close(ruleset as i32);
        if done == 0 { Ok(true) } else { Err(error) }
    }
}

/// Bounds one compilation: processor seconds, address space, no core file.
pub fn limit_compiler(cpu_seconds: u64, address_bytes: u64) -> Result<()> {
    limit(libc::RLIMIT_CPU, cpu_seconds)?;
    limit(libc::RLIMIT_AS, address_bytes)?;
    limit(libc::RLIMIT_CORE, 0)
}

/// The pool reserves address space by the hundred gigabytes, so only the core file can be limited.
pub fn limit_sandbox() -> Result<()> {
    limit(libc::RLIMIT_CORE, 0)
}

fn limit(resource: libc::__rlimit_resource_t, value: u64) -> Result<()> {
    let limit = libc::rlimit { rlim_cur: value, rlim_max: value };
    // SAFETY: setrlimit reads the struct, which outlives the call.
    check(unsafe { libc::setrlimit(resource, &raw const limit) })
}

fn check(done: i32) -> Result<()> {
    if done == 0 { Ok(()) } else { Err(Error::last_os_error()) }
}

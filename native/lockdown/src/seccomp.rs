//! The system call filter: an allow-list in kill-process mode, written as classic BPF by hand (one jump table, four
//! argument checks), so that no library stands between this text and the kernel.

use std::io::{Error, Result};

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    Sandbox,
    Compiler,
}

const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const AND: u16 = (libc::BPF_ALU | libc::BPF_AND | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
const KILL: u32 = libc::SECCOMP_RET_KILL_PROCESS;
const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
/// Refused with ENOSYS instead of death: callers fall back to an allowed path.
const ABSENT: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;
const PAGEMAP_SCAN: u32 = 0xc060_6610;

#[cfg(target_arch = "x86_64")]
const ARCH: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCH: u32 = 0xc000_00b7;

/// What both need: memory without execution, threads' own affairs, clocks, randomness, the end.
const COMMON: &[libc::c_long] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_close,
    libc::SYS_futex,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_getrandom,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_sigaltstack,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigaction,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// The sandbox alone: its socket, sealing of code, page reset.
const SANDBOX: &[libc::c_long] = &[
    libc::SYS_epoll_pwait,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
    libc::SYS_epoll_ctl,
    libc::SYS_accept4,
    libc::SYS_memfd_create,
    libc::SYS_lseek,
    libc::SYS_process_madvise,
];

/// Installs the filter on every thread of this process.
pub fn apply_filter(profile: Profile) -> Result<()> {
    let mut program = build(profile);
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: the kernel copies `len` instructions from `program`, which outlives the call.
    let done = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_TSYNC,
            &raw const filter,
        )
    };
    match done {
        0 => Ok(()),
        n if n > 0 => Err(Error::other("a thread could not take the filter")),
        _ => Err(Error::last_os_error()),
    }
}

fn step(code: u16, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter { code, jt, jf, k }
}

/// Offset of the low half of system call argument `index` in `seccomp_data`.
fn argument(index: u32) -> u32 {
    16 + 8 * index
}

fn build(profile: Profile) -> Vec<libc::sock_filter> {
    let mut p = vec![step(LOAD, 0, 0, 4), step(EQUAL, 1, 0, ARCH), step(RETURN, 0, 0, KILL), step(LOAD, 0, 0, 0)];
    let own: &[libc::c_long] = if profile == Profile::Sandbox { SANDBOX } else { &[] };
    for call in COMMON.iter().chain(own) {
        p.extend([step(EQUAL, 0, 1, *call as u32), step(RETURN, 0, 0, ALLOW)]);
    }
    // mmap: never executable. mprotect: writable or executable, never both (the compiler: never executable).
    let exec = libc::PROT_EXEC as u32;
    deny_bits(&mut p, libc::SYS_mmap, exec, &[exec]);
    let both = exec | libc::PROT_WRITE as u32;
    match profile {
        Profile::Sandbox => deny_bits(&mut p, libc::SYS_mprotect, both, &[both]),
        Profile::Compiler => deny_bits(&mut p, libc::SYS_mprotect, exec, &[exec]),
    }
    if profile == Profile::Sandbox {
        allow_equal(&mut p, libc::SYS_ioctl, 1, &[PAGEMAP_SCAN]);
        let seals = [libc::F_ADD_SEALS, libc::F_GET_SEALS, libc::F_GETFL, libc::F_GETFD].map(|c| c as u32);
        allow_equal(&mut p, libc::SYS_fcntl, 1, &seals);
        allow_equal(&mut p, libc::SYS_getsockopt, 1, &[libc::SOL_SOCKET as u32]);
    }
    p.push(step(RETURN, 0, 0, KILL));
    p
}

/// Allows `call` unless its argument 2, masked with `mask`, is one of `values`.
fn deny_bits(p: &mut Vec<libc::sock_filter>, call: libc::c_long, mask: u32, values: &[u32]) {
    let body = 2 + 2 * values.len() + 1;
    p.push(step(EQUAL, 0, body as u8, call as u32));
    p.extend([step(LOAD, 0, 0, argument(2)), step(AND, 0, 0, mask)]);
    for value in values {
        p.extend([step(EQUAL, 0, 1, *value), step(RETURN, 0, 0, KILL)]);
    }
    p.push(step(RETURN, 0, 0, ALLOW));
}

/// Allows `call` only when its argument `index` is one of `values`; others are refused as absent.
fn allow_equal(p: &mut Vec<libc::sock_filter>, call: libc::c_long, index: u32, values: &[u32]) {
    let body = 1 + 2 * values.len() + 1;
    p.push(step(EQUAL, 0, body as u8, call as u32));
    p.push(step(LOAD, 0, 0, argument(index)));
    for value in values {
        p.extend([step(EQUAL, 0, 1, *value), step(RETURN, 0, 0, ALLOW)]);
    }
    p.push(step(RETURN, 0, 0, ABSENT));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filter_fits_the_kernel_and_ends_in_kill() {
        for profile in [Profile::Sandbox, Profile::Compiler] {
            let program = build(profile);
            assert!(program.len() < 4096);
            assert_eq!(program.last().map(|s| s.k), Some(KILL));
        }
    }
}

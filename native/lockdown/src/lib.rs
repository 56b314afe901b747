//! The only crate with `unsafe`: sealed code is mapped here, and the process gives up what it does not need.
//!
//! Every `unsafe` block states the argument that makes it sound.

mod code;
mod seccomp;
mod shed;

pub use code::{CodeError, SealedCode, load_sealed, sweep_unpublished};
pub use seccomp::{Profile, apply_filter};
pub use shed::{inherited_stream, limit_compiler, limit_sandbox, no_new_privileges, restrict_files, undumpable};

//! `caisson-sandbox`: runs components under limits, for gateways on a unix socket, as told by the parent on descriptor 3.
//!
//! It ends when descriptor 3 closes. Errors are one line `code: message` on stderr.
#![forbid(unsafe_code)]

mod args;
mod calls;
mod capability;
mod config;
mod conn;
mod executor;
mod gateway;
mod grants;
mod guest;
mod host;
mod ids;
mod kv;
mod metrics;
mod parent;
mod server;
mod stop;
mod ticker;
mod timers;
mod wasi;

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::ExitCode;
use std::sync::Arc;

use caisson_engine::sandbox_config;
use caisson_lockdown as lockdown;
use wasmtime::Engine;

const PARENT_FD: i32 = 3;
const LOCKED_SECCOMP: u8 = 2;
const LOCKED_PRIVILEGES: u8 = 4;
const LOCKED_DUMP: u8 = 8;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, message)) => {
            eprintln!("{code}: {message}");
            ExitCode::FAILURE
        }
    }
}

type Failure = (&'static str, String);

fn because<E: std::fmt::Display>(code: &'static str) -> impl Fn(E) -> Failure {
    move |e| (code, format!("{e:#}"))
}

fn run() -> Result<(), Failure> {
    let args = args::parse(std::env::args().skip(1)).map_err(because("sandbox.arguments"))?;
    let parent = lockdown::inherited_stream(PARENT_FD).map_err(because("sandbox.parent"))?;
    let mut config = sandbox_config(args.class, args.slots, args.memory_bytes);
    config.with_custom_code_memory(Some(Arc::new(lockdown::SealedCode)));
    let engine = Engine::new(&config).map_err(because("sandbox.engine"))?;
    let listener = bind(&args).map_err(because("sandbox.socket"))?;
    serve(&args, engine, listener, parent)
}

fn bind(args: &args::Args) -> std::io::Result<UnixListener> {
    let listener = UnixListener::bind(&args.socket)?;
    std::fs::set_permissions(&args.socket, std::fs::Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Order matters: landlock and the privilege bit reach the ticker because it starts after them; the filter reaches all.
fn serve(args: &args::Args, engine: Engine, listener: UnixListener, parent: UnixStream) -> Result<(), Failure> {
    let locked = because("sandbox.lockdown");
    parent.set_nonblocking(true).map_err(because("sandbox.parent"))?;
    let mut server = server::Server::new(args, engine.clone(), listener, parent).map_err(because("sandbox.poll"))?;
    lockdown::limit_sandbox().map_err(&locked)?;
    lockdown::no_new_privileges().map_err(&locked)?;
    lockdown::undumpable().map_err(&locked)?;
    let files = lockdown::restrict_files().map_err(&locked)?;
    let heartbeat = ticker::Heartbeat::new();
    ticker::start(engine, heartbeat.clone()).map_err(&locked)?;
    executor::thread_cpu_micros();
    lockdown::apply_filter(lockdown::Profile::Sandbox).map_err(&locked)?;
    server.lockdown = u8::from(files) | LOCKED_SECCOMP | LOCKED_PRIVILEGES | LOCKED_DUMP;
    server.run(&heartbeat).map_err(because("sandbox.ended"))
}

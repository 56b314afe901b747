//! `caisson-compiler --class epoch|fuel`: one component on stdin, its compiled code on stdout, one artifact per process.
//!
//! Errors are one line `code: message` on stderr and exit code 1 (ours) or 2 (the component's).
#![forbid(unsafe_code)]

use std::io::{Read, Write};
use std::process::ExitCode;

use caisson_engine::{Class, compile_config, fingerprint, hex};
use caisson_lockdown as lockdown;
use wasmtime::Engine;

const MAX_COMPONENT_BYTES: u64 = 64 << 20;
const CPU_SECONDS: u64 = 120;
const ADDRESS_BYTES: u64 = 4 << 30;

struct Failure {
    exit: u8,
    code: &'static str,
    message: String,
}

fn ours(code: &'static str) -> impl Fn(std::io::Error) -> Failure {
    move |e| Failure { exit: 1, code, message: e.to_string() }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(f) => {
            let line: String = f.message.chars().map(|c| if c.is_control() { ' ' } else { c }).take(1_000).collect();
            eprintln!("{}: {line}", f.code);
            ExitCode::from(f.exit)
        }
    }
}

fn run() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let wanted = || Failure {
        exit: 1,
        code: "compiler.arguments",
        message: "wanted --class epoch|fuel, and --fingerprint or nothing".into(),
    };
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--class", name, "--fingerprint"] => {
            println!("{}", hex(&fingerprint(Class::of(name).ok_or_else(wanted)?)));
            Ok(())
        }
        ["--class", name] => compile(Class::of(name).ok_or_else(wanted)?),
        _ => Err(wanted()),
    }
}

/// Locks itself down before it reads the first byte: a component is attacker-controlled.
fn compile(class: Class) -> Result<(), Failure> {
    lockdown::limit_compiler(CPU_SECONDS, ADDRESS_BYTES).map_err(ours("compiler.limits"))?;
    lockdown::no_new_privileges().map_err(ours("compiler.lockdown"))?;
    lockdown::undumpable().map_err(ours("compiler.lockdown"))?;
    lockdown::restrict_files().map_err(ours("compiler.lockdown"))?;
    let engine = Engine::new(&compile_config(class)).map_err(|e| Failure {
        exit: 1,
        code: "compiler.engine",
        message: format!("{e:#}"),
    })?;
    lockdown::apply_filter(lockdown::Profile::Compiler).map_err(ours("compiler.lockdown"))?;

    let mut component = Vec::new();
    std::io::stdin()
        .lock()
        .take(MAX_COMPONENT_BYTES + 1)
        .read_to_end(&mut component)
        .map_err(ours("compiler.input"))?;
    if component.len() as u64 > MAX_COMPONENT_BYTES {
        return Err(Failure {
            exit: 2,
            code: "component.size",
            message: format!("more than {MAX_COMPONENT_BYTES} bytes"),
        });
    }
    let code = engine.precompile_component(&component).map_err(|e| Failure {
        exit: 2,
        code: "component.invalid",
        message: format!("{e:#}"),
    })?;
    let mut out = std::io::stdout().lock();
    out.write_all(&code).and_then(|()| out.flush()).map_err(ours("compiler.output"))
}

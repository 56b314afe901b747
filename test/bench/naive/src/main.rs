//! What a runner without any preparation pays for a call: a new engine, compilation, a new instance. No HTTP, no limits.
//! Usage: `caisson-bench-naive <module.wasm> <seconds>`; prints `<calls> <µs CPU per call>`.
#![forbid(unsafe_code)]

use std::error::Error;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use wasmtime::{Engine, Instance, Module, Store};

const ANSWER: &[u8] = b"hello\n";

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().collect();
    let [_, path, seconds] = args.as_slice() else { return Err("wanted <module.wasm> <seconds>".into()) };
    let module = std::fs::read(path)?;
    let lasting = Duration::from_secs(seconds.parse()?);
    let (from, before) = (Instant::now(), cpu_micros());
    let mut calls = 0u64;
    while from.elapsed() < lasting {
        call(&module)?;
        calls += 1;
    }
    println!("{calls} {:.1}", (cpu_micros() - before) / calls as f64);
    Ok(())
}

fn call(module: &[u8]) -> Result<(), Box<dyn Error>> {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &Module::new(&engine, module)?, &[])?;
    let handle = instance.get_typed_func::<(), i32>(&mut store, "handle")?;
    let at = handle.call(&mut store, ())? as usize;
    let memory = instance.get_memory(&mut store, "memory").ok_or("no memory")?;
    if memory.data(&store).get(at..at + ANSWER.len()) == Some(ANSWER) { Ok(()) } else { Err("a wrong answer".into()) }
}

fn cpu_micros() -> f64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as f64 * 1e6 + now.tv_nsec as f64 / 1e3
}

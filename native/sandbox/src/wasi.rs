//! The WASI 0.2 interfaces that a component may import: clocks and random are real, the rest is empty.

use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{ComponentType, Lift, Linker, Lower, Resource, ResourceType, WasmList, types};
use wasmtime::{Engine, Result, StoreContextMut};

use crate::host::{HostData, drop_from_table};
use crate::stop::Stop;
use crate::timers::Timers;

/// One interface a line; the TypeScript side reads the same file.
const TOOLCHAIN_IMPORTS: &str = include_str!("../../../sdk/wit/toolchain-imports.txt");
/// Clocks tick in steps of this many nanoseconds.
const CLOCK_STEP_NANOS: u64 = 1_000_000;
const MAX_RANDOM_BYTES: u64 = 65_536;
const MAX_POLLED: usize = 1_024;

/// Resources that no guest ever gets a value of, by the interface that owns them.
const OWNED_EMPTY: &[(&str, &str)] = &[
    ("wasi:cli/terminal-input", "terminal-input"),
    ("wasi:cli/terminal-output", "terminal-output"),
    ("wasi:filesystem/types", "descriptor"),
    ("wasi:filesystem/types", "directory-entry-stream"),
];

static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);

pub fn is_toolchain_interface(name: &str) -> bool {
    TOOLCHAIN_IMPORTS.lines().any(|line| line == name)
}

type Store<'a> = StoreContextMut<'a, HostData>;

/// Ready at once, or at an instant of the clock.
pub struct Pollable(Option<Instant>);
struct InputStream;
struct OutputStream;
struct IoError;
/// Resource types that no guest can ever hold a value of.
struct Nothing;

#[derive(ComponentType, Lower, Lift)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    Failed(Resource<IoError>),
    #[component(name = "closed")]
    Closed,
}

#[derive(ComponentType, Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

/// Links an interface that every component may import; `false` when `base` is none of them.
pub fn link_always(linker: &mut Linker<HostData>, base: &str, name: &str) -> Result<bool> {
    match base {
        "wasi:clocks/monotonic-clock" => monotonic(linker, name)?,
        "wasi:clocks/wall-clock" => wall(linker, name)?,
        "wasi:random/random" | "wasi:random/insecure" | "wasi:random/insecure-seed" => random(linker, base, name)?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn coarse(duration: Duration) -> u64 {
    let nanos = duration.as_nanos() as u64;
    nanos - nanos % CLOCK_STEP_NANOS
}

fn monotonic(linker: &mut Linker<HostData>, name: &str) -> Result<()> {
    let mut i = linker.instance(name)?;
    i.func_wrap("now", |_: Store<'_>, (): ()| Ok((coarse(STARTED.elapsed()),)))?;
    i.func_wrap("resolution", |_: Store<'_>, (): ()| Ok((CLOCK_STEP_NANOS,)))?;
    i.func_wrap("subscribe-duration", |mut store: Store<'_>, (nanos,): (u64,)| {
        let at = Instant::now().checked_add(Duration::from_nanos(nanos));
        pollable(&mut store, at.unwrap_or_else(far))
    })?;
    i.func_wrap("subscribe-instant", |mut store: Store<'_>, (nanos,): (u64,)| {
        let at = STARTED.checked_add(Duration::from_nanos(nanos));
        pollable(&mut store, at.unwrap_or_else(far))
    })
}

/// Beyond every deadline.
fn far() -> Instant {
    Instant::now() + Duration::from_secs(86_400)
}

fn pollable(store: &mut Store<'_>, at: Instant) -> Result<(Resource<Pollable>,)> {
    Ok((store.data_mut().table.push(Pollable(Some(at)))?,))
}

fn wall(linker: &mut Linker<HostData>, name: &str) -> Result<()> {
    let mut i = linker.instance(name)?;
    let date = |nanos: u64| Datetime { seconds: nanos / 1_000_000_000, nanoseconds: (nanos % 1_000_000_000) as u32 };
    i.func_wrap("now", move |_: Store<'_>, (): ()| {
        Ok((date(coarse(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())),))
    })?;
    i.func_wrap("resolution", move |_: Store<'_>, (): ()| Ok((date(CLOCK_STEP_NANOS),)))
}

/// Every name gives the operating system's randomness: nothing here is seeded or repeated.
fn random(linker: &mut Linker<HostData>, base: &str, name: &str) -> Result<()> {
    let mut i = linker.instance(name)?;
    let prefix = if base == "wasi:random/random" { "get-random" } else { "get-insecure-random" };
    if base == "wasi:random/insecure-seed" {
        return i.func_wrap("insecure-seed", |_: Store<'_>, (): ()| Ok(((random_u64()?, random_u64()?),)));
    }
    i.func_wrap(&format!("{prefix}-bytes"), |_: Store<'_>, (length,): (u64,)| {
        if length > MAX_RANDOM_BYTES {
            return Err(Stop::Random.into());
        }
        let mut bytes = vec![0u8; length as usize];
        fill_random(&mut bytes)?;
        Ok((bytes,))
    })?;
    i.func_wrap(&format!("{prefix}-u64"), |_: Store<'_>, (): ()| Ok((random_u64()?,)))
}

fn random_u64() -> Result<u64> {
    let mut bytes = [0; 8];
    fill_random(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

fn fill_random(mut bytes: &mut [u8]) -> Result<()> {
    while !bytes.is_empty() {
        let filled = rustix::rand::getrandom(&mut *bytes, rustix::rand::GetRandomFlags::empty())?;
        bytes = &mut bytes[filled..];
    }
    Ok(())
}

/// Links an interface of the toolchain list. What needs a value that nobody hands out (a descriptor, a terminal) traps.
pub fn link_toolchain(
    linker: &mut Linker<HostData>,
    engine: &Engine,
    base: &str,
    name: &str,
    imported: &types::ComponentInstance,
) -> Result<()> {
    for (item, ty) in imported.exports(engine) {
        let mut i = linker.instance(name)?;
        match ty.ty {
            ComponentItem::ComponentFunc(_) => i.func_new(item, |_, _, _, _| Err(Stop::Absent.into()))?,
            ComponentItem::Resource(_) if OWNED_EMPTY.contains(&(base, item)) => {
                i.resource(item, ResourceType::host::<Nothing>(), |_, _| Ok(()))?;
            }
            // A type, or a resource that another interface owns.
            _ => {}
        }
    }
    match base {
        "wasi:cli/environment" => environment(linker, name),
        "wasi:cli/exit" => exit(linker, name),
        "wasi:cli/stdin" => linker
            .instance(name)?
            .func_wrap("get-stdin", |mut store: Store<'_>, (): ()| Ok((store.data_mut().table.push(InputStream)?,))),
        "wasi:cli/stdout" => output(linker, name, "get-stdout"),
        "wasi:cli/stderr" => output(linker, name, "get-stderr"),
        "wasi:cli/terminal-stdin" => terminal(linker, name, "get-terminal-stdin"),
        "wasi:cli/terminal-stdout" => terminal(linker, name, "get-terminal-stdout"),
        "wasi:cli/terminal-stderr" => terminal(linker, name, "get-terminal-stderr"),
        "wasi:filesystem/preopens" => {
            let none = |_: Store<'_>, (): ()| Ok((Vec::<(Resource<Nothing>, String)>::new(),));
            linker.instance(name)?.func_wrap("get-directories", none)
        }
        "wasi:io/error" => drop_from_table::<IoError>(&mut linker.instance(name)?, "error"),
        "wasi:io/poll" => poll(linker, name),
        "wasi:io/streams" => streams(linker, name),
        _ => Ok(()),
    }
}

fn environment(linker: &mut Linker<HostData>, name: &str) -> Result<()> {
    let mut i = linker.instance(name)?;
    i.func_wrap("get-environment", |_: Store<'_>, (): ()| Ok((Vec::<(String, String)>::new(),)))?;
    i.func_wrap("get-arguments", |_: Store<'_>, (): ()| Ok((Vec::<String>::new(),)))?;
    i.func_wrap("initial-cwd", |_: Store<'_>, (): ()| Ok((None::<String>,)))
}

fn exit(linker: &mut Linker<HostData>, name: &str) -> Result<()> {
    linker
        .instance(name)?
        .func_wrap("exit", |_: Store<'_>, (_,): (Result<(), ()>,)| -> Result<()> { Err(Stop::Exit.into()) })
}

fn output(linker: &mut Linker<HostData>, name: &str, function: &str) -> Result<()> {
    linker
        .instance(name)?
        .func_wrap(function, |mut store: Store<'_>, (): ()| Ok((store.data_mut().table.push(OutputStream)?,)))
}

fn terminal(linker: &mut Linker<HostData>, name: &str, function: &str) -> Result<()> {
    linker.instance(name)?.func_wrap(function, |_: Store<'_>, (): ()| Ok((None::<Resource<Nothing>>,)))
}

/// The timers, and an instant past the call's own end: no timer of a dropped call waits longer.
fn sleeper(store: &Store<'_>) -> (Timers, Instant) {
    (store.data().timers.clone(), store.data().shared.deadline + Duration::from_secs(1))
}

fn poll(linker: &mut Linker<HostData>, name: &str) -> Result<()> {
    let mut i = linker.instance(name)?;
    drop_from_table::<Pollable>(&mut i, "pollable")?;
    i.func_wrap("[method]pollable.ready", |store: Store<'_>, (p,): (Resource<Pollable>,)| {
        Ok((store.data().table.get(&p)?.0.is_none_or(|at| at <= Instant::now()),))
    })?;
    i.func_wrap_async("[method]pollable.block", |store: Store<'_>, (p,): (Resource<Pollable>,)| {
        Box::new(async move {
            let at = store.data().table.get(&p)?.0;
            let (timers, last) = sleeper(&store);
            if let Some(at) = at {
                timers.sleep_until(at.min(last)).await;
            }
            Ok(())
        })
    })?;
    i.func_wrap_async("poll", |store: Store<'_>, (list,): (Vec<Resource<Pollable>>,)| {
        Box::new(async move {
            if list.is_empty() || list.len() > MAX_POLLED {
                return Err(Stop::Absent.into());
            }
            let table = &store.data().table;
            let ats = list.iter().map(|p| Ok(table.get(p)?.0)).collect::<Result<Vec<Option<Instant>>>>()?;
            let (timers, last) = sleeper(&store);
            if let Some(first) = ats.iter().copied().min().flatten() {
                timers.sleep_until(first.min(last)).await;
            }
            let now = Instant::now();
            let due = |at: &Option<Instant>| at.is_none_or(|at| at <= now);
            let ready: Vec<u32> = (0u32..).zip(&ats).filter(|(_, at)| due(at)).map(|(n, _)| n).collect();
            Ok((ready,))
        })
    })
}

/// Output is discarded, input has ended.
fn streams(linker: &mut Linker<HostData>, name: &str) -> Result<()> {
    type Wrote = (Result<(), StreamError>,);
    let mut i = linker.instance(name)?;
    drop_from_table::<InputStream>(&mut i, "input-stream")?;
    drop_from_table::<OutputStream>(&mut i, "output-stream")?;
    i.func_wrap("[method]output-stream.check-write", |_: Store<'_>, (_,): (Resource<OutputStream>,)| {
        Ok((Ok::<u64, StreamError>(65_536),))
    })?;
    for method in ["write", "blocking-write-and-flush"] {
        let discard = |_: Store<'_>, (_, _): (Resource<OutputStream>, WasmList<u8>)| -> Result<Wrote> { Ok((Ok(()),)) };
        i.func_wrap(&format!("[method]output-stream.{method}"), discard)?;
    }
    for method in ["flush", "blocking-flush"] {
        let done = |_: Store<'_>, (_,): (Resource<OutputStream>,)| -> Result<Wrote> { Ok((Ok(()),)) };
        i.func_wrap(&format!("[method]output-stream.{method}"), done)?;
    }
    i.func_wrap("[method]output-stream.subscribe", |mut store: Store<'_>, (_,): (Resource<OutputStream>,)| {
        Ok((store.data_mut().table.push(Pollable(None))?,))
    })?;
    i.func_wrap("[method]input-stream.subscribe", |mut store: Store<'_>, (_,): (Resource<InputStream>,)| {
        Ok((store.data_mut().table.push(Pollable(None))?,))
    })?;
    for method in ["read", "blocking-read"] {
        let ended = |_: Store<'_>, (_, _): (Resource<InputStream>, u64)| -> Result<(Result<Vec<u8>, StreamError>,)> {
            Ok((Err(StreamError::Closed),))
        };
        i.func_wrap(&format!("[method]input-stream.{method}"), ended)?;
    }
    Ok(())
}

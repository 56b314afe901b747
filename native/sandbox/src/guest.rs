//! One component ready to run, and the run of one call in a fresh instance.

use std::sync::Arc;
use std::time::Instant;

use caisson_frames::{
    CAPABILITY_CONFIG, CAPABILITY_FETCH, CAPABILITY_KV, CAPABILITY_LOG, CAPABILITY_METRICS, MAX_HEADER_BYTES,
    MAX_HEADER_NAME_BYTES, MAX_HEADERS, Open, Outcome,
};
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Linker, Resource};
use wasmtime::{Engine, Error, Result, Store, Trap, UpdateDeadline};

use crate::capability;
use crate::config;
use crate::host::{self, CallLimits, CallShared, Header, HostData, IncomingBody, Request, Response};
use crate::kv;
use crate::metrics;
use crate::stop::Stop;
use crate::timers::Timers;
use crate::wasi;

pub const WIT_VERSIONS: &[&str] =
    &["caisson:ext@1.0.0", "caisson:http@1.0.0", "caisson:kv@1.0.0", "caisson:config@1.0.0", "caisson:metrics@1.0.0"];
/// Bytes that one host call may lift besides a body write: headers, log lines.
const HOSTCALL_EXTRA_BYTES: usize = 1 << 20;

/// A component with its imports resolved; made once per load.
pub struct Prepared {
    pre: InstancePre<HostData>,
    handle: ComponentExportIndex,
    /// Bits of the capabilities it imports.
    pub capabilities: u32,
}

pub struct LoadRefusal {
    pub code: &'static str,
    pub message: String,
}

fn refusal(code: &'static str, message: impl Into<String>) -> LoadRefusal {
    LoadRefusal { code, message: message.into() }
}

/// Links what the component may import; anything else is refused by name.
pub fn prepare(engine: &Engine, component: &Component) -> Result<Prepared, LoadRefusal> {
    let mut linker = Linker::new(engine);
    linker.allow_shadowing(true);
    let mut capabilities = 0;
    for (name, ty) in component.component_type().imports(engine) {
        let ComponentItem::ComponentInstance(instance) = ty.ty else {
            return Err(refusal("component.import", format!("imports {name}, which is no interface")));
        };
        let (base, version) = name.split_once('@').unwrap_or((name, ""));
        let known = match base {
            "caisson:ext/types" if version == "1.0.0" => host::link_types(&mut linker, name).map(|()| true),
            "caisson:ext/log" if version == "1.0.0" => {
                capabilities |= CAPABILITY_LOG;
                host::link_log(&mut linker, name).map(|()| true)
            }
            "caisson:http/fetch" if version == "1.0.0" => {
                capabilities |= CAPABILITY_FETCH;
                capability::link_fetch(&mut linker, name).map(|()| true)
            }
            "caisson:config/values" if version == "1.0.0" => {
                capabilities |= CAPABILITY_CONFIG;
                config::link_config(&mut linker, name).map(|()| true)
            }
            "caisson:metrics/instruments" if version == "1.0.0" => {
                capabilities |= CAPABILITY_METRICS;
                metrics::link_metrics(&mut linker, name).map(|()| true)
            }
            "caisson:kv/store" if version == "1.0.0" => {
                capabilities |= CAPABILITY_KV;
                kv::link_kv(&mut linker, name).map(|()| true)
            }
            _ if !version.starts_with("0.2.") => Ok(false),
            _ if wasi::is_toolchain_interface(base) => {
                wasi::link_toolchain(&mut linker, engine, base, name, &instance).map(|()| true)
            }
            _ => wasi::link_always(&mut linker, base, name),
        };
        match known {
            Ok(true) => {}
            Ok(false) => return Err(refusal("component.import", format!("imports {name}, which nothing provides"))),
            Err(e) => return Err(refusal("component.import", format!("{name}: {e:#}"))),
        }
    }
    let pre = linker.instantiate_pre(component).map_err(|e| refusal("component.import", format!("{e:#}")))?;
    let handle = find_handler(component)?;
    Ok(Prepared { pre, handle, capabilities })
}

fn find_handler(component: &Component) -> Result<ComponentExportIndex, LoadRefusal> {
    let missing = || refusal("component.export", "does not export caisson:ext/handler@1.0.0");
    let instance = component.get_export_index(None, "caisson:ext/handler@1.0.0").ok_or_else(missing)?;
    component.get_export_index(Some(&instance), "handle").ok_or_else(missing)
}

pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// How a run ended.
pub struct End {
    pub outcome: Outcome,
    pub rung: u8,
    pub code: &'static str,
    pub answer: Option<Answer>,
}

impl End {
    pub fn failed(outcome: Outcome, rung: u8, code: &'static str) -> End {
        End { outcome, rung, code, answer: None }
    }
}

/// Runs one request in a fresh Store, which is dropped before this returns.
pub async fn run(
    engine: Engine,
    prepared: Arc<Prepared>,
    open: Box<Open>,
    shared: Arc<CallShared>,
    limits: CallLimits,
    timers: Timers,
) -> End {
    let mut store = Metered { fuel: limits.fuel, store: Store::new(&engine, HostData::new(shared.clone(), limits, timers)) };
    let store = &mut store.store;
    // The engine looks at loops and calls alone: a guest may end in between with more used than it had. One unit more than
    // that, and what is left tells whether it did.
    if limits.fuel > 0 && store.set_fuel(limits.fuel + 1).is_err() {
        return End::failed(Outcome::Refused, 0, "grant.class");
    }
    store.limiter(|data| &mut data.limiter);
    store.set_hostcall_fuel(limits.response_bytes + HOSTCALL_EXTRA_BYTES);
    let deadline = shared.deadline;
    store.epoch_deadline_callback(move |_| match Instant::now() >= deadline {
        true => Err(Stop::Deadline.into()),
        false => Ok(UpdateDeadline::Yield(1)),
    });
    store.set_epoch_deadline(1);
    match call(&prepared, store, *open).await {
        Ok(_) if limits.fuel > 0 && store.get_fuel().is_ok_and(|left| left == 0) => out_of_fuel(),
        Ok(response) => finish(store, response),
        Err(error) => classify(&error, shared.io().memory_refused),
    }
}

/// Tells what a guest has used up when its store goes: at its end, or where its future is dropped.
struct Metered {
    fuel: u64,
    store: Store<HostData>,
}

impl Drop for Metered {
    fn drop(&mut self) {
        if self.fuel > 0 {
            let left = self.store.get_fuel().unwrap_or(0);
            self.store.data().shared.io().fuel_used = (self.fuel + 1).saturating_sub(left).min(self.fuel);
        }
    }
}

async fn call(prepared: &Prepared, store: &mut Store<HostData>, open: Open) -> Result<Response> {
    let instance = prepared.pre.instantiate_async(&mut *store).await?;
    let handle = instance.get_typed_func::<(Request,), (Response,)>(&mut *store, prepared.handle)?;
    let body = store.data_mut().table.push(IncomingBody)?;
    let headers = open.headers.into_iter().map(|(name, value)| Header { name, value }).collect();
    let Open { method, path, query, params, .. } = open;
    let (response,) = handle.call_async(store, (Request { method, path, query, params, headers, body },)).await?;
    Ok(response)
}

fn classify(error: &Error, memory_refused: bool) -> End {
    match error.downcast_ref::<Stop>() {
        Some(Stop::Deadline) => return End::failed(Outcome::Deadline, 1, "deadline.exceeded"),
        Some(Stop::Exit) => return End::failed(Outcome::Trapped, 0, "guest.exit"),
        Some(Stop::Absent) => return End::failed(Outcome::Trapped, 0, "guest.import-empty"),
        Some(Stop::Random) => return End::failed(Outcome::Trapped, 0, "guest.random-bound"),
        None => {}
    }
    if memory_refused {
        return End::failed(Outcome::Memory, 0, "guest.memory");
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => out_of_fuel(),
        Some(Trap::StackOverflow) => End::failed(Outcome::Trapped, 0, "guest.stack"),
        _ => End::failed(Outcome::Trapped, 0, "guest.trap"),
    }
}

fn out_of_fuel() -> End {
    End::failed(Outcome::Trapped, 0, "guest.fuel")
}

/// Checks the answer before a byte of it leaves.
fn finish(store: &mut Store<HostData>, response: Response) -> End {
    let invalid = |code| End::failed(Outcome::ResponseInvalid, 0, code);
    let data = store.data_mut();
    let Ok(body) = data.table.delete(Resource::<host::OutgoingBody>::new_own(response.body.rep())) else {
        return invalid("response.body");
    };
    if data.overflow {
        return invalid("response.too-large");
    }
    if !(200..=599).contains(&response.status) {
        return invalid("response.status");
    }
    let Some(headers) = checked_headers(response.headers) else { return invalid("response.headers") };
    let answer = Answer { status: response.status, headers, body: body.bytes };
    End { outcome: Outcome::Done, rung: 0, code: "", answer: Some(answer) }
}

/// Names are tokens, written in lower case from here on; values are Latin-1 without control characters.
fn checked_headers(headers: Vec<Header>) -> Option<Vec<(String, String)>> {
    let mut left = MAX_HEADER_BYTES;
    if headers.len() > MAX_HEADERS {
        return None;
    }
    let mut checked = Vec::with_capacity(headers.len());
    for Header { name, value } in headers {
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        let text = |c: char| c == '\t' || (' '..='\u{ff}').contains(&c) && !('\u{7f}'..='\u{9f}').contains(&c);
        if name.is_empty() || name.len() > MAX_HEADER_NAME_BYTES || !name.bytes().all(token) || !value.chars().all(text)
        {
            return None;
        }
        left = left.checked_sub(name.len() + value.len())?;
        checked.push((name.to_ascii_lowercase(), value));
    }
    Some(checked)
}

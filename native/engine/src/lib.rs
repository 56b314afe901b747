//! The one Wasmtime configuration that compiler and sandbox share, and its fingerprint.
#![forbid(unsafe_code)]

use sha2::{Digest, Sha256};
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig, WasmBacktraceDetails};

pub const WASMTIME_VERSION: &str = "48.0.8";

/// Two kinds of code, and of processes that run it: never both in one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Stopped by the clock.
    Epoch,
    /// Stopped by the clock, and exactly when its fuel is used up; the same work uses the same fuel everywhere.
    Fuel,
}

impl Class {
    pub fn of(name: &str) -> Option<Class> {
        [Class::Epoch, Class::Fuel].into_iter().find(|class| class.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            Class::Epoch => "epoch",
            Class::Fuel => "fuel",
        }
    }

    /// Raised with every change below that alters generated code.
    fn profile(self) -> &'static str {
        match self {
            Class::Epoch => "epoch-1",
            Class::Fuel => "fuel-1",
        }
    }
}

pub const WASM_STACK_BYTES: usize = 512 * 1024;
pub const ASYNC_STACK_BYTES: usize = 1024 * 1024;
pub const TABLE_ELEMENTS: usize = 20_000;
/// A stock QuickJS component needs 9 core instances.
pub const CORE_INSTANCES_PER_CALL: u32 = 16;
pub const MEMORIES_PER_CALL: u32 = 2;
pub const TABLES_PER_CALL: u32 = 8;
const MEMORY_RESERVATION_BYTES: u64 = 4 << 30;
const MEMORY_GUARD_BYTES: u64 = 32 << 20;
const KEEP_RESIDENT_BYTES: usize = 1 << 20;
const KEEP_STACK_BYTES: usize = 16 * 1024;
/// Regions given back to the kernel by one system call. Until then their slots are not used again, so a large batch walks through
/// more memory than the processor's caches hold.
const DECOMMIT_BATCH: usize = 8;

/// What both executables set: everything that reaches generated code. Proposals that are not needed are off, so that
/// most advisories about them do not apply.
pub fn shared_config(class: Class) -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .consume_fuel(class == Class::Fuel)
        .concurrency_support(false)
        .max_wasm_stack(WASM_STACK_BYTES)
        .async_stack_size(ASYNC_STACK_BYTES)
        .async_stack_zeroing(true)
        .memory_reservation(MEMORY_RESERVATION_BYTES)
        .memory_guard_size(MEMORY_GUARD_BYTES)
        .memory_may_move(false)
        .memory_init_cow(true)
        .memory_guaranteed_dense_image_size(16 << 20)
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .wasm_component_model(true)
        .wasm_bulk_memory(true)
        .wasm_multi_memory(true)
        .wasm_relaxed_simd(false)
        .wasm_memory64(false)
        .wasm_tail_call(false)
        .shared_memory(false)
        .wasm_function_references(false)
        .wasm_gc(false)
        .wasm_exceptions(false)
        .wasm_threads(false);
    config
}

/// Compiler only: no pool, so that the address space can be limited.
#[cfg(feature = "compile")]
pub fn compile_config(class: Class) -> Config {
    let mut config = shared_config(class);
    config.strategy(wasmtime::Strategy::Cranelift);
    // The bits of a NaN differ between processors, and with them what a guest does next.
    config.cranelift_nan_canonicalization(class == Class::Fuel);
    config
}

/// The sandbox's pool: `slots` calls at once, each with room for the core instances, memories and tables of one component.
pub fn sandbox_config(class: Class, slots: u32, memory_bytes: usize) -> Config {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(slots)
        .max_component_instance_size(1 << 20)
        .max_core_instance_size(1 << 20)
        .max_core_instances_per_component(CORE_INSTANCES_PER_CALL)
        .max_memories_per_component(MEMORIES_PER_CALL)
        .max_tables_per_component(TABLES_PER_CALL)
        .max_memories_per_module(MEMORIES_PER_CALL)
        .max_tables_per_module(TABLES_PER_CALL)
        .total_core_instances(slots * CORE_INSTANCES_PER_CALL)
        .total_memories(slots * MEMORIES_PER_CALL)
        .total_tables(slots * TABLES_PER_CALL)
        .total_stacks(slots)
        .total_gc_heaps(0)
        .max_memory_size(memory_bytes)
        .table_elements(TABLE_ELEMENTS)
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(KEEP_STACK_BYTES)
        .async_stack_keep_resident(KEEP_STACK_BYTES)
        .decommit_batch_size(DECOMMIT_BATCH)
        .pagemap_scan(Enabled::Auto);
    let mut config = shared_config(class);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

/// Names the engine: code built under one fingerprint is mapped under no other. Wasmtime compares its own settings at
/// every load as well; this value is what records, receipts and fence entries carry.
pub fn fingerprint(class: Class) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(format!(
        "wasmtime {WASMTIME_VERSION}\n{}\n{}\n{}\n",
        class.profile(),
        std::env::consts::ARCH,
        std::env::consts::OS
    ));
    hash.update(format!(
        "stack {WASM_STACK_BYTES} reservation {MEMORY_RESERVATION_BYTES} guard {MEMORY_GUARD_BYTES}\n"
    ));
    for (name, present) in cpu_features() {
        hash.update(format!("{name} {present}\n"));
    }
    hash.finalize().into()
}

/// The processor features that Cranelift looks at.
#[cfg(target_arch = "x86_64")]
fn cpu_features() -> Vec<(&'static str, bool)> {
    macro_rules! features {
        ($($name:tt),*) => { vec![$(($name, std::is_x86_feature_detected!($name))),*] };
    }
    features![
        "sse3",
        "ssse3",
        "sse4.1",
        "sse4.2",
        "popcnt",
        "avx",
        "avx2",
        "fma",
        "bmi1",
        "bmi2",
        "lzcnt",
        "cmpxchg16b",
        "avx512f",
        "avx512dq",
        "avx512vl",
        "avx512bitalg",
        "avx512vbmi"
    ]
}

#[cfg(target_arch = "aarch64")]
fn cpu_features() -> Vec<(&'static str, bool)> {
    macro_rules! features {
        ($($name:tt),*) => { vec![$(($name, std::arch::is_aarch64_feature_detected!($name))),*] };
    }
    features!["lse", "paca", "fp16"]
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::{Class, fingerprint, hex};

    #[test]
    fn fingerprint_is_stable_in_one_process() {
        assert_eq!(fingerprint(Class::Epoch), fingerprint(Class::Epoch));
        assert_eq!(hex(&fingerprint(Class::Epoch)).len(), 64);
    }

    #[test]
    fn each_class_has_a_fingerprint_of_its_own() {
        assert_ne!(fingerprint(Class::Epoch), fingerprint(Class::Fuel));
        assert_eq!(Class::of("fuel"), Some(Class::Fuel));
        assert_eq!(Class::of("Fuel"), None);
    }
}

//! Capability `config`: values of the grant, given without leaving the sandbox.

use wasmtime::component::{Linker, WasmStr};
use wasmtime::{Result, StoreContextMut};

use crate::host::HostData;

type Store<'a> = StoreContextMut<'a, HostData>;

pub fn link_config(linker: &mut Linker<HostData>, name: &str) -> Result<()> {
    let mut values = linker.instance(name)?;
    values.func_wrap("get", |store: Store<'_>, (name,): (WasmStr,)| {
        let name = name.to_str(&store)?;
        let config = &store.data().shared.config;
        Ok((config.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone()),))
    })?;
    values.func_wrap("all", |store: Store<'_>, (): ()| Ok((store.data().shared.config.to_vec(),)))
}

//! Capability `storage.kv` for a guest: each call goes out to the broker, which asks control.

use caisson_frames::{Capability, KvCondition, KvFailure, KvReply, KvRequest};
use wasmtime::Result;
use wasmtime::component::{ComponentType, Lift, Linker, Lower};

use crate::capability::ask;
use crate::host::{CallLimits, CallShared, HostData};

#[derive(ComponentType, Lower)]
#[component(record)]
struct Entry {
    value: Vec<u8>,
    revision: String,
    #[component(name = "expires-ms")]
    expires_ms: Option<f64>,
}

#[derive(ComponentType, Lift)]
#[component(variant)]
enum Condition {
    #[component(name = "always")]
    Always,
    #[component(name = "absent")]
    Absent,
    #[component(name = "revision")]
    Revision(String),
}

impl From<Condition> for KvCondition {
    fn from(condition: Condition) -> KvCondition {
        match condition {
            Condition::Always => KvCondition::Always,
            Condition::Absent => KvCondition::Absent,
            // A text that no put gave names no revision.
            Condition::Revision(text) => KvCondition::Revision(text.parse().unwrap_or(u64::MAX)),
        }
    }
}

#[derive(ComponentType, Lower)]
#[component(record)]
struct Page {
    keys: Vec<String>,
    cursor: Option<String>,
}

#[derive(ComponentType, Lower)]
#[component(variant)]
enum StoreError {
    #[component(name = "denied")]
    Denied(String),
    #[component(name = "invalid")]
    Invalid(String),
    #[component(name = "too-large")]
    TooLarge(String),
    #[component(name = "quota-keys")]
    QuotaKeys,
    #[component(name = "quota-bytes")]
    QuotaBytes,
    #[component(name = "conflict")]
    Conflict(Option<String>),
    #[component(name = "missing")]
    Missing,
    #[component(name = "unavailable")]
    Unavailable,
    #[component(name = "budget")]
    Budget(String),
}

pub fn link_kv(linker: &mut Linker<HostData>, name: &str) -> Result<()> {
    let mut store = linker.instance(name)?;
    store.func_wrap_async("get", |store, (key,): (String,)| {
        let (shared, limits) = (store.data().shared.clone(), store.data().limits);
        Box::new(async move {
            Ok((match sent(&shared, limits, KvRequest::Get { key }).await {
                Ok(KvReply::Entry { revision, expires_ms, value }) => Ok(Some(Entry {
                    value,
                    revision: revision.to_string(),
                    expires_ms: expires_ms.map(|ms| ms as f64),
                })),
                Ok(KvReply::Absent) => Ok(None),
                other => Err(error_of(&shared, other)),
            },))
        })
    })?;
    type Put = (String, Vec<u8>, Condition, Option<u32>);
    store.func_wrap_async("put", |store, (key, value, condition, ttl_seconds): Put| {
        let (shared, limits) = (store.data().shared.clone(), store.data().limits);
        Box::new(async move {
            let request = KvRequest::Put { key, condition: condition.into(), ttl_seconds, value };
            Ok((match sent(&shared, limits, request).await {
                Ok(KvReply::Written(revision)) => Ok(revision.to_string()),
                other => Err(error_of(&shared, other)),
            },))
        })
    })?;
    store.func_wrap_async("delete", |store, (key, condition): (String, Condition)| {
        let (shared, limits) = (store.data().shared.clone(), store.data().limits);
        Box::new(async move {
            let request = KvRequest::Delete { key, condition: condition.into() };
            Ok((match sent(&shared, limits, request).await {
                Ok(KvReply::Deleted) => Ok(()),
                other => Err(error_of(&shared, other)),
            },))
        })
    })?;
    type List = (String, Option<String>, u32);
    store.func_wrap_async("list", |store, (prefix, cursor, max): List| {
        let (shared, limits) = (store.data().shared.clone(), store.data().limits);
        Box::new(async move {
            Ok((match sent(&shared, limits, KvRequest::List { prefix, cursor, max }).await {
                Ok(KvReply::Page { keys, cursor }) => Ok(Page { keys, cursor }),
                other => Err(error_of(&shared, other)),
            },))
        })
    })
}

/// An unreadable reply is a store that does not answer.
async fn sent(shared: &CallShared, limits: CallLimits, request: KvRequest) -> Result<KvReply, StoreError> {
    let Some(argument) = request.encode() else {
        return Err(StoreError::TooLarge("one capability call".into()));
    };
    shared.count_call(&limits).map_err(StoreError::Budget)?;
    KvReply::decode(&ask(shared, Capability::Kv, argument).await).map_err(|_| StoreError::Unavailable)
}

fn error_of(shared: &CallShared, sent: Result<KvReply, StoreError>) -> StoreError {
    match sent {
        Err(error) => error,
        Ok(KvReply::Failure(KvFailure::Denied(why))) => {
            shared.io().outside.denied.get_or_insert(Capability::Kv);
            StoreError::Denied(why)
        }
        Ok(KvReply::Failure(KvFailure::Invalid(why))) => StoreError::Invalid(why),
        Ok(KvReply::Failure(KvFailure::TooLarge(why))) => StoreError::TooLarge(why),
        Ok(KvReply::Failure(KvFailure::QuotaKeys)) => StoreError::QuotaKeys,
        Ok(KvReply::Failure(KvFailure::QuotaBytes)) => StoreError::QuotaBytes,
        Ok(KvReply::Failure(KvFailure::Conflict(current))) => {
            StoreError::Conflict(current.map(|revision| revision.to_string()))
        }
        Ok(KvReply::Failure(KvFailure::Missing)) => StoreError::Missing,
        Ok(KvReply::Failure(KvFailure::Budget(what))) => StoreError::Budget(what),
        Ok(_) => StoreError::Unavailable,
    }
}

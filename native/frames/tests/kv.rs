//! The vectors of `storage.kv` that the TypeScript codec reads too.

use caisson_frames::*;
use serde_json::Value;

fn vectors() -> Value {
    let path = format!("{}/../../test/vectors/frames/kv.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

fn condition(v: &Value) -> KvCondition {
    match v["kind"].as_str().unwrap() {
        "always" => KvCondition::Always,
        "absent" => KvCondition::Absent,
        _ => KvCondition::Revision(v["revision"].as_u64().unwrap()),
    }
}

fn text(v: &Value, name: &str) -> String {
    v[name].as_str().unwrap().to_owned()
}

fn request(v: &Value) -> KvRequest {
    match v["op"].as_str().unwrap() {
        "get" => KvRequest::Get { key: text(v, "key") },
        "put" => KvRequest::Put {
            key: text(v, "key"),
            condition: condition(&v["condition"]),
            ttl_seconds: v["ttlSeconds"].as_u64().map(|n| n as u32),
            value: unhex(&text(v, "value")),
        },
        "delete" => KvRequest::Delete { key: text(v, "key"), condition: condition(&v["condition"]) },
        _ => KvRequest::List {
            prefix: text(v, "prefix"),
            cursor: v["cursor"].as_str().map(str::to_owned),
            max: v["max"].as_u64().unwrap() as u32,
        },
    }
}

fn reply(v: &Value) -> KvReply {
    match v["kind"].as_str().unwrap() {
        "entry" => KvReply::Entry {
            revision: v["revision"].as_u64().unwrap(),
            expires_ms: v["expiresMs"].as_u64(),
            value: unhex(&text(v, "value")),
        },
        "absent" => KvReply::Absent,
        "written" => KvReply::Written(v["revision"].as_u64().unwrap()),
        "deleted" => KvReply::Deleted,
        "page" => KvReply::Page {
            keys: serde_json::from_value(v["keys"].clone()).unwrap(),
            cursor: v["cursor"].as_str().map(str::to_owned),
        },
        "conflict" => KvReply::Failure(KvFailure::Conflict(v["current"].as_u64())),
        _ => KvReply::Failure(failure(v)),
    }
}

fn failure(v: &Value) -> KvFailure {
    match v["failure"].as_str().unwrap() {
        "denied" => KvFailure::Denied(text(v, "message")),
        "budget" => KvFailure::Budget(text(v, "message")),
        "too-large" => KvFailure::TooLarge(text(v, "message")),
        "quota-keys" => KvFailure::QuotaKeys,
        "quota-bytes" => KvFailure::QuotaBytes,
        "missing" => KvFailure::Missing,
        "invalid" => KvFailure::Invalid(text(v, "message")),
        _ => KvFailure::Unavailable,
    }
}

#[test]
fn kv_requests_are_written_as_the_vectors_say() {
    for v in vectors()["requests"].as_array().unwrap() {
        assert_eq!(request(v).encode().unwrap(), unhex(v["hex"].as_str().unwrap()), "{v}");
    }
}

#[test]
fn kv_requests_that_no_frame_holds_are_not_written() {
    let put = |key: usize, value: usize| KvRequest::Put {
        key: "k".repeat(key),
        condition: KvCondition::Always,
        ttl_seconds: None,
        value: vec![0; value],
    };
    assert!(put(1, MAX_CAPABILITY_BYTES - 1).encode().is_some());
    assert!(put(1, MAX_CAPABILITY_BYTES).encode().is_none());
    assert!(put(65_536, 0).encode().is_none());
}

#[test]
fn kv_replies_are_read_as_the_vectors_say() {
    for v in vectors()["replies"].as_array().unwrap() {
        assert_eq!(KvReply::decode(&unhex(v["hex"].as_str().unwrap())).unwrap(), reply(v), "{v}");
    }
}

#[test]
fn kv_replies_that_are_none_are_refused() {
    for v in vectors()["invalidReplies"].as_array().unwrap() {
        assert!(KvReply::decode(&unhex(v[1].as_str().unwrap())).is_err(), "{}", v[0]);
    }
}

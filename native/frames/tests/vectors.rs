//! The vectors that the TypeScript codec reads too.

use caisson_frames::*;
use serde_json::{Value, json};

fn vectors(file: &str) -> Vec<Value> {
    let path = format!("{}/../../test/vectors/frames/{file}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

fn capability_name(capability: Capability) -> &'static str {
    match capability {
        Capability::Fetch => "http.fetch",
        Capability::Kv => "storage.kv",
    }
}

fn point(p: &Point) -> Value {
    let kind = format!("{:?}", p.kind).to_lowercase();
    json!({"handle": hex(&p.handle), "kind": kind, "name": p.name, "value": p.value, "labels": p.labels})
}

/// Fields as the vectors name them, and the frame written again from what was read.
fn read(frame: Frame<'_>) -> Result<(Value, Vec<u8>), FrameError> {
    let mut out = Vec::new();
    let o = &mut out;
    let (payload, flags, stream) = (frame.payload, frame.flags, frame.stream);
    let raw = |o: &mut Vec<u8>| write_frame(o, frame.kind, flags, stream, |w| w.bytes(payload));
    let empty = || if payload.is_empty() { Ok(()) } else { Err(FrameError::Trailing) };
    let fields = match frame.kind {
        Kind::Hello => {
            let h = Hello::decode(payload, flags)?;
            h.encode(o, flags);
            json!({"version": h.version, "maxFrame": h.max_frame, "credit": h.credit, "proof": hex(&h.proof), "lockdown": h.lockdown, "wit": h.wit})
        }
        Kind::Open => {
            let f = Open::decode(payload)?;
            f.encode(o, stream, flags);
            json!({"execution": hex(&f.execution), "handle": hex(&f.handle), "deadlineMicros": f.deadline_micros, "memoryBytes": f.memory_bytes,
                "responseBytes": f.response_bytes, "principal": f.principal, "method": f.method, "path": f.path, "query": f.query,
                "params": f.params, "headers": f.headers})
        }
        Kind::Data => {
            raw(o);
            json!({"bytes": hex(payload)})
        }
        Kind::End | Kind::Drain | Kind::Done | Kind::Unload => {
            empty()?;
            raw(o);
            json!({})
        }
        Kind::Credit => {
            let bytes = decode_credit(payload)?;
            encode_credit(o, stream, bytes);
            json!({ "bytes": bytes })
        }
        Kind::Cancel => {
            let reason = decode_cancel(payload)?;
            write_frame(o, Kind::Cancel, 0, stream, |w| w.u8(reason as u8));
            json!({"reason": format!("{reason:?}").to_lowercase()})
        }
        Kind::Result => {
            let r = CallResult::decode(payload)?;
            r.encode(o, stream);
            let u = &r.usage;
            let outcome = if r.outcome == Outcome::ResponseInvalid {
                "response-invalid".into()
            } else {
                format!("{:?}", r.outcome).to_lowercase()
            };
            json!({"outcome": outcome, "rung": r.rung, "code": r.code, "denied": r.denied.map(capability_name), "usage": {"wallUs": u.wall_micros, "queueUs": u.queue_micros,
                "cpuUs": u.cpu_micros, "peakMemoryBytes": u.peak_memory_bytes, "bytesIn": u.body_in_bytes, "bytesOut": u.body_out_bytes,
                "logBytes": u.log_bytes, "logLines": u.log_lines, "droppedLogLines": u.dropped_log_lines,
                "capabilityCalls": u.capability_calls, "egressRequests": u.egress_requests, "egressInBytes": u.egress_in_bytes,
                "egressOutBytes": u.egress_out_bytes, "fuel": u.fuel}})
        }
        Kind::Response => {
            let r = Response::decode(payload)?;
            r.encode(o, stream, flags);
            json!({"status": r.status, "headers": r.headers})
        }
        Kind::Halt if flags == FLAG_ANSWER => {
            let h = Halted::decode(payload)?;
            h.encode(o, stream);
            json!({"epoch": h.epoch, "refused": h.refused, "unqueued": h.unqueued, "killed": h.killed})
        }
        Kind::Halt => {
            let h = Halt::decode(payload)?;
            h.encode(o, stream);
            json!({"handle": h.handle.map(|x| hex(&x)), "epoch": h.epoch})
        }
        Kind::Ping | Kind::Pong => {
            let nonce = decode_nonce(payload)?;
            raw(o);
            json!({"nonce": hex(&nonce)})
        }
        Kind::Load => {
            let l = Load::decode(payload)?;
            l.encode(o, stream);
            json!({"sha256": hex(&l.sha256), "size": l.size})
        }
        Kind::Loaded => {
            let bits = decode_loaded(payload)?;
            encode_loaded(o, stream, bits);
            json!({ "capabilities": bits })
        }
        Kind::Refused | Kind::Close => {
            let r = Reason::decode(payload)?;
            r.encode(o, frame.kind, stream);
            json!({"code": r.code, "message": r.message})
        }
        Kind::Grant => {
            let g = Grant::decode(payload)?;
            g.encode(o, stream);
            json!({"handle": hex(&g.handle), "tenant": hex(&g.tenant), "load": g.load, "capabilities": g.capabilities, "memoryBytes": g.memory_bytes,
                "deadlineMs": g.deadline_ms, "requestBytes": g.request_bytes, "responseBytes": g.response_bytes, "logBytes": g.log_bytes,
                "logLines": g.log_lines, "concurrency": g.concurrency, "capabilityCalls": g.capability_calls,
                "egressRequests": g.egress_requests, "egressInBytes": g.egress_in_bytes, "egressOutBytes": g.egress_out_bytes, "fuel": g.fuel, "expiresMs": g.expires_ms,
                "config": g.config})
        }
        Kind::Metrics => {
            let b = PointBatch::decode(payload)?;
            b.encode(o);
            let points: Vec<Value> = b.points.iter().map(point).collect();
            json!({"dropped": b.dropped, "points": points})
        }
        Kind::Call => {
            let c = CapabilityCall::decode(payload)?;
            c.encode(o, stream);
            json!({"execution": hex(&c.execution), "handle": hex(&c.handle), "capability": capability_name(c.capability),
                "deadlineMicros": c.deadline_micros, "size": c.size})
        }
        Kind::Reply => {
            let size = decode_reply(payload)?;
            encode_reply(o, stream, size);
            json!({ "size": size })
        }
        Kind::Ungrant => {
            let handle = decode_handle(payload)?;
            raw(o);
            json!({"handle": hex(&handle)})
        }
        Kind::Log => {
            let l = LogBatch::decode(payload)?;
            l.encode(o);
            let levels = ["debug", "info", "warn", "error"];
            let lines: Vec<Value> = l
                .lines
                .iter()
                .map(|x| {
                    json!({"execution": hex(&x.execution), "handle": hex(&x.handle), "level": levels[x.level as usize],
                "unixMicros": x.unix_micros, "text": x.text})
                })
                .collect();
            json!({"dropped": l.dropped, "lines": lines})
        }
    };
    Ok((fields, out))
}

#[test]
fn readers_and_writers_agree_with_the_valid_vectors() {
    for vector in vectors("valid.json") {
        let name = &vector["name"];
        let bytes = unhex(vector["hex"].as_str().unwrap());
        let (frame, used) = next_frame(&bytes).unwrap().unwrap_or_else(|| panic!("{name}: incomplete"));
        assert_eq!(used, bytes.len(), "{name}");
        assert_eq!(json!(frame.flags), vector["flags"], "{name}");
        assert_eq!(json!(frame.stream), vector["stream"], "{name}");
        assert_eq!(format!("{:?}", frame.kind).to_lowercase(), vector["type"].as_str().unwrap(), "{name}");
        let (fields, again) = read(frame).unwrap_or_else(|e| panic!("{name}: {e:?}"));
        assert_eq!(fields, vector["fields"], "{name}");
        assert_eq!(hex(&again), hex(&bytes), "{name}");
    }
}

#[test]
fn readers_refuse_the_invalid_vectors_with_their_code() {
    for vector in vectors("invalid.json") {
        let bytes = unhex(vector["hex"].as_str().unwrap());
        let error = next_frame(&bytes)
            .and_then(|next| read(next.expect("a whole frame").0))
            .expect_err(&vector["name"].to_string());
        assert_eq!(error.code(), vector["error"].as_str().unwrap(), "{}", vector["name"]);
    }
}

fn fetch_vectors() -> Value {
    let path = format!("{}/../../test/vectors/frames/fetch.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn headers(value: &Value) -> Vec<(String, String)> {
    serde_json::from_value(value.clone()).unwrap()
}

#[test]
fn fetch_requests_are_written_as_the_vectors_say() {
    for v in fetch_vectors()["requests"].as_array().unwrap() {
        let text = |name: &str| v[name].as_str().unwrap().to_owned();
        let (method, url, body) = (text("method"), text("url"), unhex(&text("body")));
        let request = FetchRequest { method, url, headers: headers(&v["headers"]), body };
        assert_eq!(hex(&request.encode().unwrap()), text("hex"));
    }
}

#[test]
fn fetch_requests_over_a_bound_are_not_written() {
    let request = |url: usize, body: usize| FetchRequest {
        method: "GET".into(),
        url: "u".repeat(url),
        headers: Vec::new(),
        body: vec![0; body],
    };
    assert!(request(MAX_URL_BYTES, MAX_CAPABILITY_BYTES).encode().is_some());
    assert!(request(MAX_URL_BYTES + 1, 0).encode().is_none());
    assert!(request(1, MAX_CAPABILITY_BYTES + 1).encode().is_none());
}

#[test]
fn fetch_replies_are_read_as_the_vectors_say() {
    for v in fetch_vectors()["replies"].as_array().unwrap() {
        let read = FetchReply::decode(&unhex(v["hex"].as_str().unwrap())).unwrap();
        let wanted = match v["failure"].as_str() {
            None => FetchReply::Answer {
                status: v["status"].as_u64().unwrap() as u16,
                headers: headers(&v["headers"]),
                body: unhex(v["body"].as_str().unwrap()),
            },
            Some(name) => {
                let failure = match name {
                    "denied" => CallFailure::Denied,
                    "budget" => CallFailure::Budget,
                    "failed" => CallFailure::Failed,
                    "timed-out" => CallFailure::TimedOut,
                    _ => CallFailure::TooLarge,
                };
                FetchReply::Failure(failure, v["message"].as_str().unwrap().to_owned())
            }
        };
        assert_eq!(read, wanted);
    }
}

#[test]
fn fetch_replies_that_are_none_are_refused() {
    for v in fetch_vectors()["invalidReplies"].as_array().unwrap() {
        let bytes = unhex(v[1].as_str().unwrap());
        assert!(FetchReply::decode(&bytes).is_err(), "{}", v[0]);
    }
}

#[test]
fn incomplete_frames_are_waited_for() {
    for vector in vectors("valid.json") {
        let bytes = unhex(vector["hex"].as_str().unwrap());
        for end in 0..bytes.len() {
            assert_eq!(next_frame(&bytes[..end]), Ok(None), "{} cut at {end}", vector["name"]);
        }
    }
}

#[test]
fn random_bytes_give_frames_or_errors() {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let valid: Vec<Vec<u8>> = vectors("valid.json").iter().map(|v| unhex(v["hex"].as_str().unwrap())).collect();
    for _ in 0..200_000 {
        let mut bytes = valid[next() as usize % valid.len()].clone();
        for _ in 0..1 + next() % 4 {
            let at = next() as usize % bytes.len();
            bytes[at] = next() as u8;
        }
        if let Ok(Some((frame, _))) = next_frame(&bytes) {
            let _ = read(frame);
        }
    }
}

#[test]
fn cut_ends_at_a_character_boundary() {
    assert_eq!(cut("aé", 2), "a");
    assert_eq!(cut("aé", 3), "aé");
}

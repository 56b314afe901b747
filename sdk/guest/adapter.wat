;; Merged into the module of a TypeScript guest by `pack`: the handler that the world names, and the parts of the request, which the
;; guest takes where it wants them. Parts lie in memory as the canonical ABI hands them over (CanonicalABI.md, "Flattening").
(module
  (import "guest" "memory" (memory 0))
  (import "guest" "cabi_realloc" (func $realloc (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)))
  (import "guest" "answer" (func $answer (param $is_sample i32) (result i32)))

  (global $method (mut i32) (i32.const 0))
  (global $method_size (mut i32) (i32.const 0))
  (global $path (mut i32) (i32.const 0))
  (global $path_size (mut i32) (i32.const 0))
  (global $query (mut i32) (i32.const 0))
  (global $query_size (mut i32) (i32.const 0))
  (global $params (mut i32) (i32.const 0))
  (global $params_count (mut i32) (i32.const 0))
  (global $headers (mut i32) (i32.const 0))
  (global $headers_count (mut i32) (i32.const 0))
  (global $body (mut i32) (i32.const 0))

  (func (export "handle")
    (param $method i32) (param $method_size i32) (param $path i32) (param $path_size i32) (param $query i32) (param $query_size i32)
    (param $params i32) (param $params_count i32) (param $headers i32) (param $headers_count i32) (param $body i32) (result i32)
    (global.set $method (local.get $method))
    (global.set $method_size (local.get $method_size))
    (global.set $path (local.get $path))
    (global.set $path_size (local.get $path_size))
    (global.set $query (local.get $query))
    (global.set $query_size (local.get $query_size))
    (global.set $params (local.get $params))
    (global.set $params_count (local.get $params_count))
    (global.set $headers (local.get $headers))
    (global.set $headers_count (local.get $headers_count))
    (global.set $body (local.get $body))
    (call $answer (call $is_sample (local.get $method) (local.get $method_size))))

  ;; "CAISSON-SAMPLE", its first and its last eight bytes.
  (func $is_sample (param $at i32) (param $size i32) (result i32)
    (if (i32.ne (local.get $size) (i32.const 14)) (then (return (i32.const 0))))
    (i32.and
      (i64.eq (i64.load align=1 (local.get $at)) (i64.const 0x2d4e4f5353494143))
      (i64.eq (i64.load offset=6 align=1 (local.get $at)) (i64.const 0x454c504d41532d4e))))

  (func $give (param $result i32) (param $at i32) (param $count i32)
    (i32.store (local.get $result) (local.get $at))
    (i32.store offset=4 (local.get $result) (local.get $count)))
  (func (export "caisson:inside/request method") (param $result i32)
    (call $give (local.get $result) (global.get $method) (global.get $method_size)))
  (func (export "caisson:inside/request path") (param $result i32)
    (call $give (local.get $result) (global.get $path) (global.get $path_size)))
  (func (export "caisson:inside/request query") (param $result i32)
    (call $give (local.get $result) (global.get $query) (global.get $query_size)))
  (func (export "caisson:inside/request params") (param $result i32)
    (call $give (local.get $result) (global.get $params) (global.get $params_count)))
  (func (export "caisson:inside/request headers") (param $result i32)
    (call $give (local.get $result) (global.get $headers) (global.get $headers_count)))
  (func (export "caisson:inside/request body") (result i32) (global.get $body))

  ;; The toolchain hands a text over as UTF-8 and frees it afterwards, so what is given back is a copy.
  (func (export "caisson:inside/text encode") (param $at i32) (param $size i32) (param $result i32)
    (call $give (local.get $result) (call $copy (local.get $at) (local.get $size)) (local.get $size)))
  (func (export "caisson:inside/text decode") (param $at i32) (param $size i32) (param $result i32)
    (i32.store8 (local.get $result) (i32.const 0))
    (if (call $is_utf8 (local.get $at) (i32.add (local.get $at) (local.get $size)))
      (then
        (i32.store8 (local.get $result) (i32.const 1))
        (call $give (i32.add (local.get $result) (i32.const 4)) (call $copy (local.get $at) (local.get $size)) (local.get $size)))))

  (func $copy (param $at i32) (param $size i32) (result i32)
    (local $copy i32)
    (local.set $copy (call $realloc (i32.const 0) (i32.const 0) (i32.const 1) (local.get $size)))
    (memory.copy (local.get $copy) (local.get $at) (local.get $size))
    (local.get $copy))

  (func $is_utf8 (param $at i32) (param $end i32) (result i32)
    (local $size i32)
    (loop $next
      (if (i32.eq (local.get $at) (local.get $end)) (then (return (i32.const 1))))
      (if (i32.ge_u (i32.sub (local.get $end) (local.get $at)) (i32.const 8))
        (then
          (if (i64.eqz (i64.and (i64.load align=1 (local.get $at)) (i64.const 0x8080808080808080)))
            (then
              (local.set $at (i32.add (local.get $at) (i32.const 8)))
              (br $next)))))
      (local.set $size (call $sequence (local.get $at) (i32.sub (local.get $end) (local.get $at))))
      (local.set $at (i32.add (local.get $at) (local.get $size)))
      (br_if $next (local.get $size)))
    (i32.const 0))

  ;; Bytes of the well-formed sequence at $at, of which $left bytes are there; 0 where there is none (Unicode, table 3-7).
  (func $sequence (param $at i32) (param $left i32) (result i32)
    (local $first i32) (local $size i32) (local $low i32) (local $high i32)
    (local.set $first (i32.load8_u (local.get $at)))
    (if (i32.lt_u (local.get $first) (i32.const 0x80)) (then (return (i32.const 1))))
    (if (i32.or (i32.lt_u (local.get $first) (i32.const 0xc2)) (i32.gt_u (local.get $first) (i32.const 0xf4)))
      (then (return (i32.const 0))))
    (local.set $size
      (i32.add (i32.const 2)
        (i32.add (i32.ge_u (local.get $first) (i32.const 0xe0)) (i32.ge_u (local.get $first) (i32.const 0xf0)))))
    (if (i32.lt_u (local.get $left) (local.get $size)) (then (return (i32.const 0))))
    (local.set $low (i32.const 0x80))
    (local.set $high (i32.const 0xbf))
    (if (i32.eq (local.get $first) (i32.const 0xe0)) (then (local.set $low (i32.const 0xa0))))
    (if (i32.eq (local.get $first) (i32.const 0xed)) (then (local.set $high (i32.const 0x9f))))
    (if (i32.eq (local.get $first) (i32.const 0xf0)) (then (local.set $low (i32.const 0x90))))
    (if (i32.eq (local.get $first) (i32.const 0xf4)) (then (local.set $high (i32.const 0x8f))))
    (if (i32.eqz (call $follows (i32.add (local.get $at) (i32.const 1)) (local.get $low) (local.get $high)))
      (then (return (i32.const 0))))
    (if (i32.ge_u (local.get $size) (i32.const 3))
      (then
        (if (i32.eqz (call $follows (i32.add (local.get $at) (i32.const 2)) (i32.const 0x80) (i32.const 0xbf)))
          (then (return (i32.const 0))))))
    (if (i32.eq (local.get $size) (i32.const 4))
      (then
        (if (i32.eqz (call $follows (i32.add (local.get $at) (i32.const 3)) (i32.const 0x80) (i32.const 0xbf)))
          (then (return (i32.const 0))))))
    (local.get $size))

  (func $follows (param $at i32) (param $low i32) (param $high i32) (result i32)
    (i32.le_u
      (i32.sub (i32.load8_u (local.get $at)) (local.get $low))
      (i32.sub (local.get $high) (local.get $low)))))

;; Merged into the module of a TypeScript guest by `pack`: what the toolchain's C library asks of a system, answered as the sandbox
;; answers it (no environment, no files, no terminal; output is dropped), so that the component imports none of it. An export is named
;; by interface, without its version, and function. What needs a value that nobody hands out is `unreachable`.
(module
  (import "guest" "memory" (memory 0))
  (import "wasi:random/random@0.2.0" "get-random-u64" (func $random (result i64)))

  (func $empty_list (param $result i32)
    (i32.store (local.get $result) (i32.const 8))
    (i32.store offset=4 (local.get $result) (i32.const 0)))

  (func (export "wasi_snapshot_preview1 reset_adapter_state"))
  ;; Modules are linked when a component is built.
  (func (export "local:init/module-loader resolve") (param i32 i32 i32 i32 i32) unreachable)
  (func (export "local:init/module-loader load") (param i32 i32 i32) unreachable)

  (func (export "wasi:random/insecure-seed insecure-seed") (param $result i32)
    (i64.store (local.get $result) (call $random))
    (i64.store offset=8 (local.get $result) (call $random)))

  (func (export "wasi:cli/environment get-environment") (param $result i32) (call $empty_list (local.get $result)))
  (func (export "wasi:cli/exit exit") (param i32) unreachable)
  (func (export "wasi:cli/stdin get-stdin") (result i32) (i32.const 0))
  (func (export "wasi:cli/stdout get-stdout") (result i32) (i32.const 1))
  (func (export "wasi:cli/stderr get-stderr") (result i32) (i32.const 2))
  (func (export "wasi:cli/terminal-stdin get-terminal-stdin") (param $result i32) (i32.store8 (local.get $result) (i32.const 0)))
  (func (export "wasi:cli/terminal-stdout get-terminal-stdout") (param $result i32) (i32.store8 (local.get $result) (i32.const 0)))
  (func (export "wasi:cli/terminal-stderr get-terminal-stderr") (param $result i32) (i32.store8 (local.get $result) (i32.const 0)))
  (func (export "wasi:cli/terminal-input [resource-drop]terminal-input") (param i32))
  (func (export "wasi:cli/terminal-output [resource-drop]terminal-output") (param i32))

  (func (export "wasi:io/error [resource-drop]error") (param i32))
  (func (export "wasi:io/poll [resource-drop]pollable") (param i32))
  (func (export "wasi:io/poll [method]pollable.block") (param i32) unreachable)
  (func (export "wasi:io/poll poll") (param i32 i32 i32) unreachable)
  (func (export "wasi:io/streams [resource-drop]input-stream") (param i32))
  (func (export "wasi:io/streams [resource-drop]output-stream") (param i32))
  ;; ok(65,536 bytes)
  (func (export "wasi:io/streams [method]output-stream.check-write") (param $stream i32) (param $result i32)
    (i32.store8 (local.get $result) (i32.const 0))
    (i64.store offset=8 (local.get $result) (i64.const 65536)))
  (func (export "wasi:io/streams [method]output-stream.write") (param i32 i32 i32) (param $result i32)
    (i32.store8 (local.get $result) (i32.const 0)))
  (func (export "wasi:io/streams [method]output-stream.blocking-flush") (param i32) (param $result i32)
    (i32.store8 (local.get $result) (i32.const 0)))
  (func (export "wasi:io/streams [method]output-stream.subscribe") (param i32) (result i32) unreachable)
  (func (export "wasi:clocks/monotonic-clock subscribe-duration") (param i64) (result i32) unreachable)

  (func (export "wasi:filesystem/preopens get-directories") (param $result i32) (call $empty_list (local.get $result)))
  (func (export "wasi:filesystem/types [resource-drop]descriptor") (param i32))
  (func (export "wasi:filesystem/types [method]descriptor.read-via-stream") (param i32 i64 i32) unreachable)
  (func (export "wasi:filesystem/types [method]descriptor.write-via-stream") (param i32 i64 i32) unreachable)
  (func (export "wasi:filesystem/types [method]descriptor.append-via-stream") (param i32 i32) unreachable)
  (func (export "wasi:filesystem/types [method]descriptor.get-flags") (param i32 i32) unreachable)
  (func (export "wasi:filesystem/types [method]descriptor.stat") (param i32 i32) unreachable)
  (func (export "wasi:filesystem/types [method]descriptor.metadata-hash") (param i32 i32) unreachable))

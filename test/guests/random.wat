  ;; imports: wasi:random/random@0.2.0
  ;; Answers 8 random bytes.
  (import "wasi:random/random@0.2.0" "get-random-u64" (func $random (result i64)))
  (func $handle (result i32)
    (i64.store (i32.const 208) (call $random))
    (call $answer (i32.const 200) (i32.const 208) (i32.const 8)))

  ;; imports: test:reach/network@1.0.0
  (import "test:reach/network@1.0.0" "connect" (func $connect))
  (func $handle (result i32)
    (call $connect)
    (call $answer (i32.const 200) (i32.const 200) (i32.const 6)))

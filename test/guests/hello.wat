  ;; Answers 200 "hello" and reads nothing.
  (func $handle (result i32) (call $answer (i32.const 200) (i32.const 200) (i32.const 6)))

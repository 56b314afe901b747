  ;; Writes 64 KiB by one instruction, and answers.
  (func $handle (result i32)
    (memory.fill (i32.const 65536) (i32.const 7) (i32.const 65536))
    (call $answer (i32.const 200) (i32.const 200) (i32.const 6)))

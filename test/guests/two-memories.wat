  ;; Grows by 20 MiB in each of two memories, and answers.
  (memory $second 1)
  (func $handle (result i32)
    (if (i32.eq (memory.grow (i32.const 320)) (i32.const -1)) (then (unreachable)))
    (if (i32.eq (memory.grow $second (i32.const 320)) (i32.const -1)) (then (unreachable)))
    (call $answer (i32.const 200) (i32.const 200) (i32.const 6)))

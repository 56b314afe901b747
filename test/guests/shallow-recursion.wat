  ;; Calls itself a thousand times, and answers.
  (func $deeper (param i32) (result i32)
    (if (result i32) (i32.eqz (local.get 0))
      (then (i32.const 0))
      (else (i32.add (i32.const 1) (call $deeper (i32.sub (local.get 0) (i32.const 1)))))))
  (func $handle (result i32)
    (drop (call $deeper (i32.const 1000)))
    (call $answer (i32.const 200) (i32.const 200) (i32.const 6)))

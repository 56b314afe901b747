  ;; Counts for some tens of milliseconds, several ticks, and answers.
  (func $handle (result i32) (local $n i32)
    (loop $again
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $n) (i32.const 30000000))))
    (call $answer (i32.const 200) (i32.const 200) (i32.const 6)))

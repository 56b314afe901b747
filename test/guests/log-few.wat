  ;; imports: caisson:ext/log@1.0.0
  ;; Writes 10 lines of "é" 200 times (400 bytes) at level warn.
  (import "caisson:ext/log@1.0.0" "write" (func $log (param i32 i32 i32)))
  (func $handle (result i32)
    (local $n i32)
    (loop $fill
      (i32.store16 (i32.add (i32.const 2048) (i32.mul (local.get $n) (i32.const 2))) (i32.const 0xa9c3))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $fill (i32.lt_u (local.get $n) (i32.const 200))))
    (local.set $n (i32.const 0))
    (loop $lines
      (call $log (i32.const 2) (i32.const 2048) (i32.const 400))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $lines (i32.lt_u (local.get $n) (i32.const 10))))
    (call $answer (i32.const 200) (i32.const 200) (i32.const 6)))

  ;; Copies the request's body to the response, 64 KiB at a time.
  (func $handle (result i32)
    (local $out i32)
    (local.set $out (call $new))
    (block $ended
      (loop $again
        (global.set $top (i32.const 1024))
        (call $read (global.get $incoming) (i32.const 65536) (i32.const 144))
        ;; result {tag at 144; list pointer at 148, length at 152}
        (if (i32.load8_u (i32.const 144)) (then (unreachable)))
        (br_if $ended (i32.eqz (i32.load (i32.const 152))))
        (call $write (local.get $out) (i32.load (i32.const 148)) (i32.load (i32.const 152)) (i32.const 128))
        (if (i32.load8_u (i32.const 128)) (then (br $ended)))
        (br $again)))
    (call $respond (i32.const 200) (local.get $out)))

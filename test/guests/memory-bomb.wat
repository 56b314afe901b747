  ;; Grows by 1 MiB until that fails, then traps as an allocator without memory does.
  (func $handle (result i32)
    (loop $again (br_if $again (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
    (unreachable))

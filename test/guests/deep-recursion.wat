  ;; Calls itself without end.
  (func $deeper (param i32) (result i32)
    (i32.add (local.get 0) (call $deeper (i32.add (local.get 0) (i32.const 1)))))
  (func $handle (result i32) (call $deeper (i32.const 0)))

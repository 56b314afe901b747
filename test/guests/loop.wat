  ;; Never returns.
  (func $handle (result i32) (loop $again (br $again)) (unreachable))

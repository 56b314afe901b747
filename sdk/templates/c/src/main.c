/* An extension in C: the canonical ABI by hand, no library. Answers 200 with a text. */
#include "caisson.h"

CAISSON_HANDLER(request) {
  (void)request;
  return caisson_text(200, "Hello from C.\n");
}

/* caisson:metrics/instruments@1.0.0 for C, by the canonical ABI; declare names under "metrics" in caisson.json. Include caisson.h first. */
#ifndef CAISSON_METRICS_H
#define CAISSON_METRICS_H

#define CAISSON_INSTRUMENT(function, wit)                                                                                             \
  __attribute__((import_module("caisson:metrics/instruments@1.0.0"), import_name(wit))) void function(                                \
      const char *name, caisson_u32 name_length, double value, const struct caisson_text_span *labels, caisson_u32 label_count)

CAISSON_INSTRUMENT(caisson_metrics_add, "add");
CAISSON_INSTRUMENT(caisson_metrics_set, "set");
CAISSON_INSTRUMENT(caisson_metrics_observe, "observe");

#endif

/* caisson:config/values@1.0.0 for C, by the canonical ABI; declare names under "config" in caisson.json. Include caisson.h first. */
#ifndef CAISSON_CONFIG_H
#define CAISSON_CONFIG_H

struct caisson_config_value {
  caisson_u8 present;
  struct caisson_text_span text;
};

__attribute__((import_module("caisson:config/values@1.0.0"), import_name("get"))) void caisson_config_get(
    const char *name, caisson_u32 name_length, struct caisson_config_value *result);

#endif

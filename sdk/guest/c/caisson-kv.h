/* caisson:kv/store@1.0.0 for C, by the canonical ABI; ask for "storage.kv" in caisson.json. Include caisson.h first. */
#ifndef CAISSON_KV_H
#define CAISSON_KV_H

/* What must hold for a write to be made. */
enum caisson_kv_condition { CAISSON_KV_ALWAYS, CAISSON_KV_ABSENT, CAISSON_KV_REVISION };

enum caisson_kv_failure {
  CAISSON_KV_DENIED,
  CAISSON_KV_INVALID,
  CAISSON_KV_TOO_LARGE,
  CAISSON_KV_QUOTA_KEYS,
  CAISSON_KV_QUOTA_BYTES,
  CAISSON_KV_CONFLICT,
  CAISSON_KV_MISSING,
  CAISSON_KV_UNAVAILABLE,
  CAISSON_KV_BUDGET
};

struct caisson_kv_error {
  caisson_u8 failure;
  union {
    /* of denied, invalid, too large and budget */
    struct caisson_text_span text;
    /* of conflict: the revision there is, where the key is there */
    struct {
      caisson_u8 present;
      struct caisson_text_span revision;
    } conflict;
  } is;
};

struct caisson_kv_entry {
  struct caisson_text_span value, revision;
  caisson_u8 expires;
  double expires_ms;
};

struct caisson_kv_got {
  caisson_u8 failed;
  union {
    struct {
      caisson_u8 present;
      struct caisson_kv_entry entry;
    } found;
    struct caisson_kv_error error;
  } is;
};

struct caisson_kv_put {
  caisson_u8 failed;
  union {
    struct caisson_text_span revision;
    struct caisson_kv_error error;
  } is;
};

__attribute__((import_module("caisson:kv/store@1.0.0"), import_name("get"))) void caisson_kv_get(const char *key, caisson_u32 key_length,
                                                                                                struct caisson_kv_got *result);

/* revision: for CAISSON_KV_REVISION alone; has_ttl: 1 where ttl_seconds counts. */
__attribute__((import_module("caisson:kv/store@1.0.0"), import_name("put"))) void caisson_kv_put(
    const char *key, caisson_u32 key_length, const char *value, caisson_u32 value_length, caisson_u32 condition, const char *revision,
    caisson_u32 revision_length, caisson_u32 has_ttl, caisson_u32 ttl_seconds, struct caisson_kv_put *result);

#endif

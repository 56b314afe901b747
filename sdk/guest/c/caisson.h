/* caisson:ext@1.0.0 for C, by the canonical ABI (component-model CanonicalABI.md): what a text answer needs. */
#ifndef CAISSON_H
#define CAISSON_H

typedef unsigned char caisson_u8;
typedef unsigned short caisson_u16;
typedef unsigned int caisson_u32;

struct caisson_text_span {
  const char *bytes;
  caisson_u32 length;
};

struct caisson_header {
  struct caisson_text_span name, value;
};

struct caisson_response {
  caisson_u16 status;
  const struct caisson_header *headers;
  caisson_u32 header_count;
  caisson_u32 body;
};

/* The request's fields as they are lowered: spans of text and lists, then the handle of the incoming body. */
struct caisson_request {
  struct caisson_text_span method, path, query;
  const void *params;
  caisson_u32 param_count;
  const struct caisson_header *headers;
  caisson_u32 header_count;
  caisson_u32 body;
};

__attribute__((import_module("caisson:ext/types@1.0.0"), import_name("[constructor]outgoing-body"))) caisson_u32 caisson_body_new(void);
__attribute__((import_module("caisson:ext/types@1.0.0"), import_name("[method]outgoing-body.write"))) void caisson_body_write(caisson_u32 body, const char *bytes, caisson_u32 length, void *result);

/* A bump allocator: every instance is fresh, so nothing is ever freed. */
extern caisson_u8 __heap_base;
static caisson_u32 caisson_heap = 0;

__attribute__((export_name("cabi_realloc"))) void *cabi_realloc(void *old, caisson_u32 old_size, caisson_u32 align, caisson_u32 size) {
  if (caisson_heap == 0) caisson_heap = (caisson_u32)&__heap_base;
  caisson_u32 at = (caisson_heap + align - 1) & ~(align - 1);
  caisson_u32 end = at + size;
  while (end > (caisson_u32)__builtin_wasm_memory_size(0) * 65536u)
    if (__builtin_wasm_memory_grow(0, 1) == (unsigned long)-1) __builtin_trap();
  caisson_heap = end;
  for (caisson_u32 i = 0; i < old_size && i < size; i++) ((caisson_u8 *)at)[i] = ((caisson_u8 *)old)[i];
  return (void *)at;
}

static caisson_u32 caisson_length(const char *text) {
  caisson_u32 length = 0;
  while (text[length] != 0) length++;
  return length;
}

static struct caisson_response *caisson_text(caisson_u16 status, const char *text) {
  static const struct caisson_header type = {{"content-type", 12}, {"text/plain; charset=utf-8", 25}};
  static struct caisson_response response;
  caisson_u32 result[2];
  caisson_u32 body = caisson_body_new();
  caisson_body_write(body, text, caisson_length(text), result);
  response.status = status;
  response.headers = &type;
  response.header_count = 1;
  response.body = body;
  return &response;
}

/* The canonical ABI hands eleven words: six spans and the body's handle. */
#define CAISSON_HANDLER(name)                                                                                                          \
  static struct caisson_response *caisson_handle(const struct caisson_request *name);                                                  \
  __attribute__((export_name("caisson:ext/handler@1.0.0#handle"))) struct caisson_response *caisson_entry(                             \
      const char *method, caisson_u32 method_length, const char *path, caisson_u32 path_length, const char *query,                     \
      caisson_u32 query_length, const void *params, caisson_u32 param_count, const struct caisson_header *headers,                     \
      caisson_u32 header_count, caisson_u32 body) {                                                                                    \
    struct caisson_request request = {{method, method_length}, {path, path_length}, {query, query_length}, params, param_count, headers, \
                                      header_count, body};                                                                             \
    return caisson_handle(&request);                                                                                                   \
  }                                                                                                                                    \
  static struct caisson_response *caisson_handle(const struct caisson_request *name)

#endif

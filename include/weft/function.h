/* The C interface between Weft and a function in a shared library. C++ programs use function.hpp, which
 * stands on it.
 *
 * A library exports one symbol, `weft_function_v1`. Messages come in batches; what a function has to say
 * about message i of the batch (results, failures) names i. Text is {pointer, size}, never zero-terminated,
 * and lives until the call that handed it over returns. No exception may leave a function of the library. All
 * calls come from one thread. Structs only ever grow at their end, inside one version of the interface. */
#ifndef WEFT_FUNCTION_H
#define WEFT_FUNCTION_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WEFT_FUNCTION_ABI 1u
#define WEFT_EXPORT __attribute__((visibility("default")))

typedef struct weft_text {
    const char* data; /* NULL: absent, where that differs from empty */
    size_t size;
} weft_text;

typedef struct weft_property {
    weft_text key;
    weft_text value;
} weft_property;

/* What the messages of one stored entry have in common. */
typedef struct weft_entry {
    weft_text topic; /* full name: persistent://tenant/namespace/name */
    weft_text producer_name;
    uint64_t publish_time_ms;
    uint64_t ledger_id;
    uint64_t entry_id;
    int32_t partition; /* -1: not partitioned */
    uint32_t batch_size;
    uint32_t redelivery_count;
    uint32_t input; /* which of weft_info.inputs this comes from */
} weft_entry;

enum { WEFT_KEY_IS_BASE64 = 1u, WEFT_NULL_VALUE = 2u };

typedef struct weft_message {
    weft_text payload;
    weft_text key;          /* data NULL: none */
    weft_text ordering_key; /* data NULL: none */
    const weft_property* properties;
    size_t num_properties;
    uint64_t event_time_ms; /* 0: not set */
    uint64_t sequence_id;
    const weft_entry* entry;
    int32_t batch_index; /* -1: the entry is not a batch */
    uint32_t flags;      /* WEFT_KEY_IS_BASE64, WEFT_NULL_VALUE */
} weft_message;

typedef struct weft_output {
    weft_text payload;
    weft_text key; /* data NULL: a result takes its input's key, a published message has none */
    weft_text ordering_key;
    const weft_property* properties; /* a result has its input's properties besides these */
    size_t num_properties;
    uint64_t event_time_ms; /* 0: not set */
    uint64_t token;         /* not 0: the host is told when this message was stored (hosts of Weft only) */
    uint32_t flags;         /* WEFT_KEY_IS_BASE64 (of `key`), WEFT_NULL_VALUE */
} weft_output;

enum { WEFT_LOG_DEBUG = 0, WEFT_LOG_INFO = 1, WEFT_LOG_WARN = 2, WEFT_LOG_ERROR = 3 };

/* What the function is. Lives as long as the function. */
typedef struct weft_info {
    size_t size; /* of this struct, in the Weft that made it */
    weft_text tenant, function_namespace, name, class_name;
    weft_text id, version, cluster;
    weft_text output_topic; /* empty: none */
    const weft_text* inputs;
    size_t num_inputs;
    const weft_property* user_config; /* value: a string's text, or the JSON of anything else */
    size_t num_user_config;
    const weft_property* secrets;
    size_t num_secrets;
    int32_t instance_id;
    int32_t num_instances;
} weft_info;

/* What a function can ask of Weft. `self` is handed back with each call. log and record_metric may be called
 * from any thread and at any time; the others only inside process(). */
typedef struct weft_core {
    size_t size; /* of this struct, in the Weft that made it */
    void* self;
    const weft_info* info;
    /* A result of message `input`, to the function's output topic (dropped if there is none). Any number of
     * times. */
    void (*emit)(void* self, uint32_t input, const weft_output* output);
    /* A message to another topic, on behalf of message `input`, which is acknowledged only when this is
     * stored too. */
    void (*publish)(void* self, uint32_t input, weft_text topic, const weft_output* output);
    /* Message `input` failed: it is counted, logged with its stack, and delivered again. */
    void (*fail)(void* self, uint32_t input, weft_text what, weft_text stack);
    void (*log)(void* self, int level, weft_text text);
    void (*record_metric)(void* self, weft_text name, double value);
    /* The function turns to message `input`; `size` says whether this is there. An instance that hangs is
     * said to hang on the message begun last. */
    void (*begin)(void* self, uint32_t input);
} weft_core;

/* A function's program. */
typedef struct weft_function {
    uint32_t abi; /* WEFT_FUNCTION_ABI */
    /* Makes the function. NULL: it can't be made; the reason is then written to `error` (zero-terminated). */
    void* (*create)(const weft_core* core, char* error, size_t error_size);
    void (*process)(void* function, const weft_message* messages, size_t count);
    void (*destroy)(void* function);
} weft_function;

/* Gives the program of the class named; with an empty name, of the library's only class. NULL: no such class;
 * the reason is then written to `error`. */
WEFT_EXPORT const weft_function* weft_function_v1(weft_text class_name, char* error, size_t error_size);

#ifdef __cplusplus
}
#endif
#endif

#pragma once
// The host interface: batches in, batches out. A host runs user code of one language and only turns inputs
// into outputs; the record loop (acks, batching, retries, logs, metrics) is the core's (src/runtime).
// Messages and outputs are the structs of the public C interface (weft/function.h), so that a C++ function
// sees the core's own memory.
//
// One thread calls a host (the function thread). Only Core::log and Core::record_metric may be called from
// any other.

#include <weft/function.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "security/client_security.h"

namespace weft::host {

/// One input of a function, as configured.
struct Input {
    std::string topic;             // full name
    std::string name;              // as the user wrote it
    std::string serde_class_name;  // empty: the language's default
    std::string schema_type;       // empty: bytes
};

/// Everything a host may want to know about its function.
struct FunctionInfo {
    std::string tenant, function_namespace, name, class_name;
    std::string id, version, cluster;
    std::int32_t instance_id = 0, num_instances = 1;
    std::vector<Input> inputs;
    std::string output_topic;  // full name; empty: none
    std::string output_name;   // as the user wrote it
    std::string output_serde_class_name, output_schema_type;
    std::string user_config_json, secrets_json;  // JSON objects; empty: none
    std::vector<std::pair<std::string, std::string>> user_config,
        secrets;               // the same, values as text (weft_info)
    std::string package_path;  // the .so or .py, or a folder of Python modules
    std::string service_url, web_service_url;
    security::ClientSettings client_security;  // of a client that the function asks for
    std::string python;                        // interpreter whose packages are seen
};

/// Whose fault a failed message is: the user's code, or what stands between (a serde, an output that can't be
/// sent).
enum class FailureKind : std::uint8_t { user, system };

/// A message that was published with a token reached its end.
struct Published {
    std::uint64_t token = 0;
    Result<std::string> message_id;  // serialized MessageIdData
};

/// What the core does for a host.
class Core {
  public:
    virtual ~Core() = default;
    // Inside process() only; `input` counts from the first message of the span.
    /// The function turns to this message: should it hang, this is the one.
    virtual void begin(std::uint32_t input) = 0;
    virtual void emit(std::uint32_t input, const weft_output& output) = 0;
    virtual void publish(std::uint32_t input, std::string_view topic, const weft_output& output) = 0;
    virtual void fail(std::uint32_t input, std::string_view what, std::string_view stack,
                      FailureKind kind) = 0;
    /// Acks one message out of turn. The id is a serialized MessageIdData; `topic` is as the message had it.
    virtual Result<> acknowledge(std::string_view topic, std::string_view message_id) = 0;
    // Any thread, any time.
    virtual void log(int level, std::string_view text) = 0;
    virtual void record_metric(std::string_view name, double value) = 0;
};

class Host {
  public:
    virtual ~Host() = default;
    /// Loads the user's program and makes the function; the error says what is wrong with it.
    virtual Result<> open(const FunctionInfo& info, Core& core) = 0;
    /// Calls the function for each message. Whatever goes wrong is told to the core, message by message.
    virtual void process(std::span<const weft_message> messages) = 0;
    /// Messages that were published with a token and have arrived, or not. Between calls of process().
    virtual void published(std::span<const Published>) {}
    /// Ends the function; nothing is called afterwards.
    virtual void close() {}
};

/// Runs shared libraries with the C interface (weft/function.h).
std::unique_ptr<Host> make_native_host();

/// Loads a host from the plug-in `weft_host_<name>.so`, which lies in `directory`. It stays loaded.
Result<std::unique_ptr<Host>> load_host_plugin(const std::string& directory, std::string_view name);
/// Where plug-ins lie: ../lib/weft beside the running program.
std::string plugin_directory();

/// What a plug-in exports, as `weft_host_plugin`. Built together with `weft`: `build` must be equal.
struct Plugin {
    const char* build;
    Host* (*create)();
};
/// The build this header belongs to.
inline constexpr const char* kPluginBuild = "weft-host-1";

// Between the two worlds.
inline std::string_view view(weft_text text) { return {text.data, text.size}; }
inline weft_text text(std::string_view v) { return {v.data() != nullptr ? v.data() : "", v.size()}; }

}  // namespace weft::host

#pragma once
// The C++ SDK of Weft functions: header-only, C++17, nothing to link. Build a function as a shared library:
//
//     #include <weft/function.hpp>
//     class Exclamation final : public weft::Function {
//         void process(const weft::Message& in, weft::Context& context) override {
//             text_.assign(in.payload()).push_back('!');
//             context.emit(in, text_);
//         }
//         std::string text_;
//     };
//     WEFT_FUNCTION(Exclamation)
//
//     c++ -std=c++17 -O2 -fPIC -shared -I<weft>/include exclamation.cc -o libexclamation.so
//
// An exception that leaves process() fails that one message: it is counted, logged, and delivered again.
// Everything is called from one thread. Views (payload, key, ...) live until process() returns.

#include <weft/function.h>

#include <cxxabi.h>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <typeinfo>
#include <utility>
#include <vector>

namespace weft {

namespace sdk {
inline std::string_view view(weft_text text) { return {text.data, text.size}; }
inline weft_text text(std::string_view view) {
    return {view.data() != nullptr ? view.data() : "", view.size()};
}
}  // namespace sdk

/// One input message.
class Message {
  public:
    Message(const weft_message& message, std::uint32_t index) : message_(&message), index_(index) {}

    std::string_view payload() const { return sdk::view(message_->payload); }
    std::optional<std::string_view> key() const { return optional(message_->key); }
    std::optional<std::string_view> ordering_key() const { return optional(message_->ordering_key); }
    /// The value of a property, or nothing.
    std::optional<std::string_view> property(std::string_view key) const {
        for (std::size_t i = 0; i < message_->num_properties; ++i) {
            if (sdk::view(message_->properties[i].key) == key)
                return sdk::view(message_->properties[i].value);
        }
        return std::nullopt;
    }
    std::size_t num_properties() const { return message_->num_properties; }
    std::pair<std::string_view, std::string_view> property_at(std::size_t i) const {
        return {sdk::view(message_->properties[i].key), sdk::view(message_->properties[i].value)};
    }
    std::string_view topic() const { return sdk::view(message_->entry->topic); }
    std::string_view producer_name() const { return sdk::view(message_->entry->producer_name); }
    std::uint64_t publish_time_ms() const { return message_->entry->publish_time_ms; }
    std::uint64_t event_time_ms() const { return message_->event_time_ms; }  // 0: not set
    std::uint64_t sequence_id() const { return message_->sequence_id; }
    std::uint64_t ledger_id() const { return message_->entry->ledger_id; }
    std::uint64_t entry_id() const { return message_->entry->entry_id; }
    std::int32_t partition() const { return message_->entry->partition; }
    std::int32_t batch_index() const { return message_->batch_index; }
    std::uint32_t redelivery_count() const { return message_->entry->redelivery_count; }
    bool is_null() const { return (message_->flags & WEFT_NULL_VALUE) != 0; }

    std::uint32_t index() const { return index_; }  // in its batch
    const weft_message& raw() const { return *message_; }

  private:
    static std::optional<std::string_view> optional(weft_text text) {
        if (text.data == nullptr) return std::nullopt;
        return sdk::view(text);
    }
    const weft_message* message_;
    std::uint32_t index_;
};

/// The messages of one call.
class Batch {
  public:
    class Iterator {
      public:
        using iterator_category = std::input_iterator_tag;
        using value_type = Message;
        using difference_type = std::ptrdiff_t;
        using pointer = const Message*;
        using reference = Message;
        Iterator(const weft_message* first, std::uint32_t index) : first_(first), index_(index) {}
        Message operator*() const { return {first_[index_], index_}; }
        Iterator& operator++() { return ++index_, *this; }
        Iterator operator++(int) { return {first_, index_++}; }
        bool operator==(const Iterator& other) const { return index_ == other.index_; }
        bool operator!=(const Iterator& other) const { return index_ != other.index_; }

      private:
        const weft_message* first_;
        std::uint32_t index_;
    };
    Batch(const weft_message* first, std::size_t size)
        : first_(first), size_(static_cast<std::uint32_t>(size)) {}
    std::uint32_t size() const { return size_; }
    Message operator[](std::uint32_t i) const { return {first_[i], i}; }
    Iterator begin() const { return {first_, 0}; }
    Iterator end() const { return {first_, size_}; }

  private:
    const weft_message* first_;
    std::uint32_t size_;
};

/// A message to be written, where the payload alone does not say enough.
struct Output {
    std::string_view payload;
    std::optional<std::string_view> key = std::nullopt;  // none: a result takes its input's key
    std::optional<std::string_view> ordering_key = std::nullopt;
    std::vector<std::pair<std::string_view, std::string_view>> properties = {};  // besides the input's own
    std::uint64_t event_time_ms = 0;
    bool null_value = false;
};

/// Writes lines to the function's log and, if it has one, its log topic. Any thread.
class Logger {
  public:
    explicit Logger(const weft_core& core) : core_(&core) {}
    void debug(std::string_view text) const { write(WEFT_LOG_DEBUG, text); }
    void info(std::string_view text) const { write(WEFT_LOG_INFO, text); }
    void warn(std::string_view text) const { write(WEFT_LOG_WARN, text); }
    void error(std::string_view text) const { write(WEFT_LOG_ERROR, text); }

  private:
    void write(int level, std::string_view text) const { core_->log(core_->self, level, sdk::text(text)); }
    const weft_core* core_;
};

/// What a function can ask and do.
class Context {
  public:
    explicit Context(const weft_core& core) : core_(&core), logger_(core) {}

    /// A result of `in`, to the function's output topic; call it not at all to filter, or several times.
    void emit(const Message& in, std::string_view payload) {
        weft_output output{};
        output.payload = sdk::text(payload);
        core_->emit(core_->self, in.index(), &output);
    }
    void emit(const Message& in, const Output& out) {
        with(out, [&](const weft_output& output) { core_->emit(core_->self, in.index(), &output); });
    }
    /// A message to any topic; `in` is acknowledged only when it is stored too.
    void publish(const Message& in, std::string_view topic, std::string_view payload) {
        publish(in, topic, Output{payload});
    }
    void publish(const Message& in, std::string_view topic, const Output& out) {
        with(out, [&](const weft_output& output) {
            core_->publish(core_->self, in.index(), sdk::text(topic), &output);
        });
    }
    /// Says which message is worked on now (for process_batch): should the function hang, it is named.
    void begin(const Message& in) {
        if (core_->size >= sizeof(weft_core)) core_->begin(core_->self, in.index());
    }
    /// Fails one message without an exception (for process_batch).
    void fail(const Message& in, std::string_view what) {
        core_->fail(core_->self, in.index(), sdk::text(what), weft_text{nullptr, 0});
    }

    const Logger& logger() const { return logger_; }
    void record_metric(std::string_view name, double value) {
        core_->record_metric(core_->self, sdk::text(name), value);
    }
    /// A value of the user config: a string's text, the JSON text of anything else.
    std::optional<std::string_view> user_config(std::string_view key) const {
        return find(info().user_config, info().num_user_config, key);
    }
    std::optional<std::string_view> secret(std::string_view key) const {
        return find(info().secrets, info().num_secrets, key);
    }
    std::string_view tenant() const { return sdk::view(info().tenant); }
    std::string_view function_namespace() const { return sdk::view(info().function_namespace); }
    std::string_view function_name() const { return sdk::view(info().name); }
    std::string_view function_id() const { return sdk::view(info().id); }
    std::string_view function_version() const { return sdk::view(info().version); }
    std::string_view output_topic() const { return sdk::view(info().output_topic); }
    std::vector<std::string_view> input_topics() const {
        std::vector<std::string_view> topics;
        for (std::size_t i = 0; i < info().num_inputs; ++i) topics.push_back(sdk::view(info().inputs[i]));
        return topics;
    }
    std::int32_t instance_id() const { return info().instance_id; }
    std::int32_t num_instances() const { return info().num_instances; }
    const weft_info& info() const { return *core_->info; }
    const weft_core& core() const { return *core_; }

  private:
    static std::optional<std::string_view> find(const weft_property* list, std::size_t count,
                                                std::string_view key) {
        for (std::size_t i = 0; i < count; ++i) {
            if (sdk::view(list[i].key) == key) return sdk::view(list[i].value);
        }
        return std::nullopt;
    }
    template <class Send>
    void with(const Output& out, Send&& send) {
        properties_.clear();
        for (const auto& [key, value] : out.properties)
            properties_.push_back({sdk::text(key), sdk::text(value)});
        weft_output output{};
        output.payload = sdk::text(out.payload);
        if (out.key) output.key = sdk::text(*out.key);
        if (out.ordering_key) output.ordering_key = sdk::text(*out.ordering_key);
        output.properties = properties_.data();
        output.num_properties = properties_.size();
        output.event_time_ms = out.event_time_ms;
        output.flags = out.null_value ? static_cast<std::uint32_t>(WEFT_NULL_VALUE) : 0U;
        send(output);
    }

    const weft_core* core_;
    Logger logger_;
    std::vector<weft_property> properties_;
};

namespace sdk {
inline std::string describe(const std::exception& e) {
    int status = 0;
    char* name = abi::__cxa_demangle(typeid(e).name(), nullptr, nullptr, &status);
    std::string text = status == 0 ? name : typeid(e).name();
    std::free(name);
    return text + ": " + e.what();
}
}  // namespace sdk

/// Derive from it, override process(), and name the class in WEFT_FUNCTION.
class Function {
  public:
    virtual ~Function() = default;
    /// Called once, before the first message. An exception keeps the function from starting.
    virtual void setup(Context&) {}
    virtual void process(const Message& in, Context& context) = 0;
    /// Override it to see whole batches. An exception that leaves it fails all messages of the batch.
    virtual void process_batch(const Batch& batch, Context& context) {
        for (std::uint32_t i = 0; i < batch.size(); ++i) {
            const Message in = batch[i];
            context.begin(in);
            try {
                process(in, context);
            } catch (const std::exception& e) {
                context.fail(in, sdk::describe(e));
            } catch (...) {
                context.fail(in, "an exception that is no std::exception");
            }
        }
    }
};

namespace sdk {

/// A function and its context, as the C interface sees them.
struct Instance {
    explicit Instance(const weft_core& core) : context(core) {}
    Context context;
    std::unique_ptr<Function> function;
};

inline void write_error(std::string_view text, char* error, std::size_t size) {
    if (size != 0) std::snprintf(error, size, "%.*s", static_cast<int>(text.size()), text.data());
}

template <class Class>
void* create(const weft_core* core, char* error, std::size_t error_size) {
    try {
        auto instance = std::make_unique<Instance>(*core);
        instance->function = std::make_unique<Class>();
        instance->function->setup(instance->context);
        return instance.release();
    } catch (const std::exception& e) {
        write_error(describe(e), error, error_size);
    } catch (...) {
        write_error("an exception that is no std::exception", error, error_size);
    }
    return nullptr;
}

inline void process(void* self, const weft_message* messages, std::size_t count) {
    auto& [context, function] = *static_cast<Instance*>(self);
    const Batch batch(messages, count);
    std::string what;
    try {
        function->process_batch(batch, context);
        return;
    } catch (const std::exception& e) {
        what = describe(e);
    } catch (...) {
        what = "an exception that is no std::exception";
    }
    for (const Message in : batch) context.fail(in, what);
}

inline void destroy(void* self) { delete static_cast<Instance*>(self); }

/// The classes of this library, in a list built while it is loaded.
struct Registration {
    Registration(const char* class_name, void* (*make)(const weft_core*, char*, std::size_t))
        : name(class_name) {
        function.abi = WEFT_FUNCTION_ABI;
        function.create = make;
        function.process = &process;
        function.destroy = &destroy;
        next = first();
        first() = this;
    }
    __attribute__((visibility("hidden"))) static Registration*& first() {
        static Registration* head = nullptr;
        return head;
    }
    std::string_view name;
    weft_function function{};
    Registration* next = nullptr;
};

inline const weft_function* find(std::string_view name, char* error, std::size_t error_size) {
    std::string names;
    for (Registration* r = Registration::first(); r != nullptr; r = r->next) {
        if (name == r->name || (name.empty() && Registration::first()->next == nullptr)) return &r->function;
        names += std::string(names.empty() ? "" : ", ") + std::string(r->name);
    }
    write_error((name.empty() ? std::string("the library has several classes, name one of: ")
                              : "the library has no class " + std::string(name) + ", it has: ") +
                    names,
                error, error_size);
    return nullptr;
}

}  // namespace sdk
}  // namespace weft

/// Makes a class known to Weft. Several classes may live in one library: create the function with
/// --classname.
#define WEFT_FUNCTION(Class) \
    static ::weft::sdk::Registration weft_registration_##Class{#Class, &::weft::sdk::create<Class>};

extern "C" WEFT_EXPORT inline __attribute__((used)) const weft_function* weft_function_v1(
    weft_text class_name, char* error, std::size_t error_size) {
    return ::weft::sdk::find(::weft::sdk::view(class_name), error, error_size);
}

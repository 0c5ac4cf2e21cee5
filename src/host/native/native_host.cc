// Runs functions in shared libraries: hands the core's batches to the C interface as they are.

#include <dlfcn.h>

#include "base/check.h"
#include "host/host.h"

namespace weft::host {
namespace {

std::vector<weft_property> as_properties(const std::vector<std::pair<std::string, std::string>>& pairs) {
    std::vector<weft_property> properties;
    for (const auto& [key, value] : pairs) properties.push_back({text(key), text(value)});
    return properties;
}

/// The function's face to the core: the C table, with this as its `self`.
struct CoreTable {
    CoreTable(const FunctionInfo& function, Core& to)
        : core(to),
          user_config(as_properties(function.user_config)),
          secrets(as_properties(function.secrets)) {
        for (const Input& input : function.inputs) inputs.push_back(text(input.topic));
        info = {.size = sizeof(weft_info),
                .tenant = text(function.tenant),
                .function_namespace = text(function.function_namespace),
                .name = text(function.name),
                .class_name = text(function.class_name),
                .id = text(function.id),
                .version = text(function.version),
                .cluster = text(function.cluster),
                .output_topic = text(function.output_topic),
                .inputs = inputs.data(),
                .num_inputs = inputs.size(),
                .user_config = user_config.data(),
                .num_user_config = user_config.size(),
                .secrets = secrets.data(),
                .num_secrets = secrets.size(),
                .instance_id = function.instance_id,
                .num_instances = function.num_instances};
        table = {
            .size = sizeof(weft_core),
            .self = this,
            .info = &info,
            .emit = [](void* self, std::uint32_t input,
                       const weft_output* output) { core_of(self).emit(input, *output); },
            .publish = [](void* self, std::uint32_t input, weft_text topic,
                          const weft_output* output) { core_of(self).publish(input, view(topic), *output); },
            .fail =
                [](void* self, std::uint32_t input, weft_text what, weft_text stack) {
                    core_of(self).fail(input, view(what), view(stack), FailureKind::user);
                },
            .log = [](void* self, int level, weft_text line) { core_of(self).log(level, view(line)); },
            .record_metric = [](void* self, weft_text name,
                                double value) { core_of(self).record_metric(view(name), value); },
            .begin = [](void* self, std::uint32_t input) { core_of(self).begin(input); }};
    }
    static Core& core_of(void* self) { return static_cast<CoreTable*>(self)->core; }

    Core& core;
    std::vector<weft_text> inputs;
    std::vector<weft_property> user_config, secrets;
    weft_info info{};
    weft_core table{};
};

class NativeHost final : public Host {
  public:
    ~NativeHost() override { NativeHost::close(); }

    Result<> open(const FunctionInfo& info, Core& core) override {
        info_ = info;
        table_ = std::make_unique<CoreTable>(info_, core);
        WEFT_TRY(program_, load());
        char error[1024] = "";
        function_ = program_->create(&table_->table, error, sizeof error);
        if (function_ == nullptr) {
            return fail(ErrorCode::invalid_argument,
                        "the function could not be made: ", std::string_view(error));
        }
        return {};
    }
    void process(std::span<const weft_message> messages) override {
        program_->process(function_, messages.data(), messages.size());
    }
    void close() override {
        if (function_ != nullptr) program_->destroy(function_);
        function_ = nullptr;
    }

  private:
    // The library is never unloaded: what it left behind (threads, thread-local data) may still run its code.
    Result<const weft_function*> load() const {
        void* library = dlopen(info_.package_path.c_str(), RTLD_NOW | RTLD_LOCAL);
        if (library == nullptr)
            return fail(ErrorCode::invalid_argument, "can't load the function's library: ", dlerror());
        const auto entry = reinterpret_cast<decltype(&weft_function_v1)>(dlsym(library, "weft_function_v1"));
        if (entry == nullptr) {
            return fail(ErrorCode::invalid_argument, "no Weft function (symbol weft_function_v1) in ",
                        info_.package_path, ": name its class in WEFT_FUNCTION(...)");
        }
        char error[1024] = "";
        const weft_function* program = entry(text(info_.class_name), error, sizeof error);
        if (program == nullptr) return fail(ErrorCode::invalid_argument, std::string_view(error));
        if (program->abi != WEFT_FUNCTION_ABI) {
            return fail(ErrorCode::not_supported, "the library was built for version ", program->abi,
                        " of the function interface, this Weft has ", WEFT_FUNCTION_ABI, ": build it again");
        }
        return program;
    }

    // Fixed after open().
    FunctionInfo info_;
    std::unique_ptr<CoreTable> table_;
    const weft_function* program_ = nullptr;
    void* function_ = nullptr;
};

}  // namespace

std::unique_ptr<Host> make_native_host() { return std::make_unique<NativeHost>(); }

}  // namespace weft::host

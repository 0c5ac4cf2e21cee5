// The Python host: CPython inside the instance process. One hold of the GIL for each batch.

#include <dlfcn.h>

#include <filesystem>
#include <optional>

#include "host/host.h"
#include "host/python/bootstrap_source.h"
#include "host/python/detail/core_module.h"
#include "host/python/detail/identity_serde.h"
#include "host/python/detail/py_ref.h"
#include "host/python/python_library.h"

namespace weft::host {
namespace {

namespace fs = std::filesystem;

std::string_view utf8_of(PyObject* text) {
    Py_ssize_t size = 0;
    const char* data =
        text != nullptr && PyUnicode_Check(text) ? PyUnicode_AsUTF8AndSize(text, &size) : nullptr;
    if (data == nullptr) PyErr_Clear();
    return data == nullptr ? std::string_view("?") : std::string_view(data, static_cast<std::size_t>(size));
}

/// How a value gets from bytes to Python or back.
struct Codec {
    enum class Kind : std::uint8_t { identity, text, bytes, call };
    Kind kind = Kind::identity;
    PyRef callable;

    static Codec from(PyObject* given) {
        Codec codec;
        if (given == Py_None) return codec;
        if (PyUnicode_Check(given)) {
            codec.kind = utf8_of(given) == "str" ? Kind::text : Kind::bytes;
        } else {
            codec.kind = Kind::call;
            codec.callable = PyRef::borrowed(given);
        }
        return codec;
    }
    PyRef decode(std::string_view bytes) const {
        const auto size = static_cast<Py_ssize_t>(bytes.size());
        switch (kind) {
            case Kind::identity:
                return identity_deserialize(bytes);
            case Kind::text:
                return PyRef(PyUnicode_DecodeUTF8(bytes.data(), size, nullptr));
            case Kind::bytes:
                return PyRef(PyBytes_FromStringAndSize(bytes.data(), size));
            case Kind::call:
                break;
        }
        const PyRef raw(PyBytes_FromStringAndSize(bytes.data(), size));
        if (!raw) return {};
        return PyRef(PyObject_CallOneArg(callable.get(), raw.get()));
    }
    /// `out` points into `object`, `made` or `scratch`. False: an exception is set.
    bool encode(PyObject* object, PyRef& made, std::string& scratch, std::string_view& out) const {
        if (kind == Kind::call) {
            made = PyRef(PyObject_CallOneArg(callable.get(), object));
            if (!made) return false;
            object = made.get();
        } else if (kind == Kind::text && !PyUnicode_Check(object)) {
            PyErr_Format(PyExc_TypeError, "the output schema is STRING, and the function returned a %R",
                         Py_TYPE(object));
            return false;
        } else if (kind == Kind::bytes && !PyBytes_Check(object)) {
            PyErr_Format(PyExc_TypeError, "the output schema is BYTES, and the function returned a %R",
                         Py_TYPE(object));
            return false;
        }
        return identity_serialize(object, scratch, out);
    }
};

class PythonHost final : public Host {
  public:
    ~PythonHost() override {
        if (released_ != nullptr) PyEval_RestoreThread(released_);  // the references go while it is held
    }

    Result<> open(const FunctionInfo& info, Core& core) override {
        info_ = info;
        info_.python = find_interpreter(info.python);
        core_ = &core;
        current_call().core = &core;
        if (!fs::exists(info_.package_path)) {
            return weft::fail(ErrorCode::invalid_argument, "no such file: ", info_.package_path);
        }
        if (!fs::is_directory(info_.package_path) && fs::path(info_.package_path).extension() != ".py") {
            return weft::fail(ErrorCode::not_supported,
                              "a Python function must be one .py file or a folder of modules, this is ",
                              fs::path(info_.package_path).filename().string());
        }
        WEFT_TRY_VOID(start_interpreter());
        Result<> loaded = load();
        released_ = PyEval_SaveThread();
        return loaded;
    }

    void process(std::span<const weft_message> messages) override {
        PyEval_RestoreThread(std::exchange(released_, nullptr));
        CurrentCall& call = current_call();
        call.messages = messages;
        PyObject* arguments[3] = {nullptr, nullptr, context_.get()};  // [0] is room for vectorcall to use
        for (std::uint32_t i = 0; i < messages.size(); ++i) {
            call.index = i;
            core_->begin(i);
            const weft_message& message = messages[i];
            const PyRef input = inputs_[message.entry->input].decode(view(message.payload));
            if (!input) {
                report(i, FailureKind::system);
                continue;
            }
            arguments[1] = input.get();
            const PyRef result(PyObject_Vectorcall(function_.get(), arguments + 1,
                                                   num_arguments_ | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr));
            if (!result) {
                report(i, FailureKind::user);
            } else if (result.get() != Py_None && has_output_) {
                emit(i, result.get());
            }
        }
        call.messages = {};
        released_ = PyEval_SaveThread();
    }

    void published(std::span<const Published> list) override {
        PyEval_RestoreThread(std::exchange(released_, nullptr));
        for (const Published& one : list) {
            const std::string_view id = one.message_id ? std::string_view(*one.message_id) : "";
            const std::string error = one.message_id ? "" : one.message_id.error().message;
            const PyRef called(PyObject_CallFunction(
                published_.get(), "Ky#s#", static_cast<unsigned long long>(one.token), id.data(),
                static_cast<Py_ssize_t>(id.size()), error.data(), static_cast<Py_ssize_t>(error.size())));
            if (!called) core_->log(WEFT_LOG_ERROR, describe().text());
        }
        released_ = PyEval_SaveThread();
    }

    // The interpreter is not finalized: user code's threads may still be in it, and the process ends anyway.
    void close() override {
        if (released_ == nullptr) return;
        PyEval_RestoreThread(std::exchange(released_, nullptr));
        if (bootstrap_) {
            const PyRef closed(PyObject_CallMethod(bootstrap_.get(), "close", nullptr));
            if (!closed) PyErr_Clear();
        }
        released_ = PyEval_SaveThread();
    }

  private:
    struct Described {
        std::string what, stack;
        std::string text() const { return stack.empty() ? what : stack; }
    };

    Result<> start_interpreter();
    Result<> load();
    PyRef info_dict() const;
    std::string foreign_site_packages() const;

    /// Takes the exception that is set.
    Described describe() {
        PyObject *type = nullptr, *value = nullptr, *trace = nullptr;
        PyErr_Fetch(&type, &value, &trace);
        PyErr_NormalizeException(&type, &value, &trace);
        const PyRef own_type(type), own_value(value), own_trace(trace);
        if (value == nullptr) return {"an unknown error", ""};
        if (trace != nullptr) PyException_SetTraceback(value, trace);
        const PyRef pair(PyObject_CallMethod(bootstrap_.get(), "describe", "O", value));
        if (!pair || !PyTuple_Check(pair.get()) || PyTuple_GET_SIZE(pair.get()) != 2) {
            PyErr_Clear();
            return {Py_TYPE(value)->tp_name, ""};
        }
        return {std::string(utf8_of(PyTuple_GET_ITEM(pair.get(), 0))),
                std::string(utf8_of(PyTuple_GET_ITEM(pair.get(), 1)))};
    }
    void report(std::uint32_t input, FailureKind kind) {
        const Described error = describe();
        core_->fail(input, error.what, error.stack, kind);
    }
    void emit(std::uint32_t input, PyObject* result) {
        PyRef made;
        std::string_view payload;
        if (!output_.encode(result, made, scratch_, payload)) return report(input, FailureKind::system);
        weft_output output{};
        output.payload = text(payload);
        core_->emit(input, output);
    }

    FunctionInfo info_;
    Core* core_ = nullptr;
    bool has_output_ = false;
    PyThreadState* released_ = nullptr;  // while the GIL is not held by us
    PyRef bootstrap_, function_, context_, published_;
    std::size_t num_arguments_ = 2;
    std::vector<Codec> inputs_;
    Codec output_;
    std::string scratch_;
};

/// The running libpython's own folder of packages is not the given interpreter's when that one's library was
/// not to be had.
std::string PythonHost::foreign_site_packages() const {
    if (info_.python.empty()) return "";
    Dl_info library{};
    dladdr(reinterpret_cast<void*>(&Py_InitializeFromConfig), &library);
    std::error_code ignored;
    for (const PythonLibrary& candidate : python_libraries(info_.python)) {
        if (candidate.belongs && fs::equivalent(candidate.path, library.dli_fname, ignored)) return "";
    }
    return (fs::path(info_.python).parent_path().parent_path() / "lib/python3.11/site-packages").string();
}

Result<> PythonHost::start_interpreter() {
    if (Py_IsInitialized() != 0) return weft::fail(ErrorCode::internal, "the interpreter runs already");
    register_core_module();
    PyPreConfig before;
    PyPreConfig_InitIsolatedConfig(&before);
    before.utf8_mode = 1;
    PyStatus status = Py_PreInitialize(&before);
    PyConfig config;
    PyConfig_InitIsolatedConfig(&config);
    config.install_signal_handlers = 0;
    config.write_bytecode = 0;
    config.parse_argv = 0;
    if (PyStatus_Exception(status) == 0 && !info_.python.empty() && foreign_site_packages().empty()) {
        status = PyConfig_SetBytesString(&config, &config.program_name, info_.python.c_str());
    }
    if (PyStatus_Exception(status) == 0) status = Py_InitializeFromConfig(&config);
    PyConfig_Clear(&config);
    if (PyStatus_Exception(status) != 0) {
        return weft::fail(ErrorCode::not_supported, "Python does not start",
                          info_.python.empty() ? "" : " with the packages of ", info_.python, ": ",
                          status.err_msg != nullptr ? status.err_msg : "no reason given");
    }
    return {};
}

PyRef PythonHost::info_dict() const {
    PyRef inputs(PyList_New(0)), topics(PyList_New(0));
    for (const Input& input : info_.inputs) {
        const PyRef pair(Py_BuildValue("(ss)", input.serde_class_name.c_str(), input.schema_type.c_str()));
        const PyRef topic(PyUnicode_FromString(input.name.c_str()));
        if (!pair || !topic || PyList_Append(inputs.get(), pair.get()) != 0 ||
            PyList_Append(topics.get(), topic.get()) != 0) {
            return {};
        }
    }
    const security::ClientSettings& security = info_.client_security;
    return PyRef(Py_BuildValue(
        "{s:s,s:s,s:s,s:s,s:s,s:s,s:i,s:s,s:s,s:s,s:s,s:s,s:s,s:O,s:O,s:s,s:s,s:(OOsss)}", "tenant",
        info_.tenant.c_str(), "namespace", info_.function_namespace.c_str(), "name", info_.name.c_str(),
        "class_name", info_.class_name.c_str(), "id", info_.id.c_str(), "version", info_.version.c_str(),
        "instance_id", static_cast<int>(info_.instance_id), "user_config", info_.user_config_json.c_str(),
        "secrets", info_.secrets_json.c_str(), "path", info_.package_path.c_str(), "service_url",
        info_.service_url.c_str(), "output_topic", info_.output_name.c_str(), "output_serde",
        info_.output_serde_class_name.c_str(), "inputs", inputs.get(), "input_topics", topics.get(),
        "output_schema", info_.output_schema_type.c_str(), "site_packages", foreign_site_packages().c_str(),
        "security", security.allow_insecure ? Py_True : Py_False,
        security.verify_hostname ? Py_True : Py_False, security.tls.trust_certs.c_str(),
        security.auth_plugin.c_str(), security.auth_params.c_str()));
}

Result<> PythonHost::load() {
    const PyRef code(Py_CompileString(kBootstrapSource, "weft_host.py", Py_file_input));
    if (code) bootstrap_ = PyRef(PyImport_ExecCodeModule("_weft_host", code.get()));
    if (!bootstrap_) {
        PyErr_Print();
        return weft::fail(ErrorCode::internal, "the Python host's own program does not load");
    }
    const PyRef info = info_dict();
    const PyRef parts(info ? PyObject_CallMethod(bootstrap_.get(), "setup", "O", info.get()) : nullptr);
    if (!parts) {
        return weft::fail(ErrorCode::invalid_argument,
                          "the Python function can't be loaded: ", describe().text());
    }
    PyObject *function = nullptr, *context = nullptr, *inputs = nullptr, *output = nullptr,
             *published = nullptr;
    int with_context = 1;
    if (PyArg_ParseTuple(parts.get(), "OpOOOO", &function, &with_context, &context, &inputs, &output,
                         &published) == 0) {
        return weft::fail(ErrorCode::internal,
                          "the Python host's own program is broken: ", describe().text());
    }
    function_ = PyRef::borrowed(function);
    context_ = PyRef::borrowed(context);
    published_ = PyRef::borrowed(published);
    num_arguments_ = with_context != 0 ? 2 : 1;
    for (Py_ssize_t i = 0; i < PyList_Size(inputs); ++i)
        inputs_.push_back(Codec::from(PyList_GET_ITEM(inputs, i)));
    output_ = Codec::from(output);
    has_output_ = !info_.output_topic.empty();
    return {};
}

}  // namespace

extern "C" __attribute__((visibility("default"))) const Plugin weft_host_plugin;
extern "C" const Plugin weft_host_plugin = {kPluginBuild, [] { return static_cast<Host*>(new PythonHost); }};

}  // namespace weft::host

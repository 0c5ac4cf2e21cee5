#include "host/python/detail/core_module.h"

#include <string>

#include "host/python/detail/identity_serde.h"

namespace weft::host {

CurrentCall& current_call() {
    static CurrentCall call;
    return call;
}

namespace {

const weft_message* current() {
    const CurrentCall& call = current_call();
    if (call.index < call.messages.size()) return &call.messages[call.index];
    PyErr_SetString(PyExc_RuntimeError,
                    "no message is being processed: this can be asked inside process() only");
    return nullptr;
}

PyObject* str_of(weft_text text) {
    return PyUnicode_DecodeUTF8(text.data != nullptr ? text.data : "", static_cast<Py_ssize_t>(text.size),
                                "replace");
}

PyObject* message_id(PyObject*, PyObject*) {
    const weft_message* m = current();
    if (m == nullptr) return nullptr;
    return Py_BuildValue("(KKii)", static_cast<unsigned long long>(m->entry->ledger_id),
                         static_cast<unsigned long long>(m->entry->entry_id),
                         static_cast<int>(m->entry->partition), static_cast<int>(m->batch_index));
}

PyObject* key(PyObject*, PyObject*) {
    const weft_message* m = current();
    return m == nullptr ? nullptr : str_of(m->key);
}

PyObject* ordering_key(PyObject*, PyObject*) {
    const weft_message* m = current();
    return m == nullptr ? nullptr : str_of(m->ordering_key);
}

PyObject* event_time(PyObject*, PyObject*) {
    const weft_message* m = current();
    return m == nullptr ? nullptr : PyLong_FromUnsignedLongLong(m->event_time_ms);
}

PyObject* topic(PyObject*, PyObject*) {
    const weft_message* m = current();
    return m == nullptr ? nullptr : str_of(m->entry->topic);
}

PyObject* properties(PyObject*, PyObject*) {
    const weft_message* m = current();
    if (m == nullptr) return nullptr;
    PyRef dict(PyDict_New());
    for (std::size_t i = 0; dict && i < m->num_properties; ++i) {
        const PyRef name(str_of(m->properties[i].key)), value(str_of(m->properties[i].value));
        if (!name || !value || PyDict_SetItem(dict.get(), name.get(), value.get()) != 0) return nullptr;
    }
    return dict.release();
}

PyObject* log_line(PyObject*, PyObject* args) {
    int level = 0;
    const char* line = nullptr;
    Py_ssize_t size = 0;
    PyRef object;
    PyObject* given = nullptr;
    if (!PyArg_ParseTuple(args, "iU", &level, &given)) return nullptr;
    object = PyRef(PyUnicode_AsEncodedString(given, "utf-8", "replace"));
    if (!object) return nullptr;
    line = PyBytes_AS_STRING(object.get());
    size = PyBytes_GET_SIZE(object.get());
    if (Core* core = current_call().core) core->log(level, {line, static_cast<std::size_t>(size)});
    Py_RETURN_NONE;
}

PyObject* record_metric(PyObject*, PyObject* args) {
    const char* name = nullptr;
    Py_ssize_t size = 0;
    double value = 0;
    if (!PyArg_ParseTuple(args, "s#d", &name, &size, &value)) return nullptr;
    if (Core* core = current_call().core) core->record_metric({name, static_cast<std::size_t>(size)}, value);
    Py_RETURN_NONE;
}

/// The properties of a dict, as text; values that are no text are written as str() does.
bool read_properties(PyObject* given, std::vector<PyRef>& keep, std::vector<weft_property>& out) {
    if (given == Py_None) return true;
    if (!PyDict_Check(given)) {
        PyErr_SetString(PyExc_TypeError, "publish: properties must be a dict");
        return false;
    }
    PyObject *name = nullptr, *value = nullptr;
    for (Py_ssize_t at = 0; PyDict_Next(given, &at, &name, &value) != 0;) {
        weft_property property;
        for (auto [object, text] : {std::pair{name, &property.key}, std::pair{value, &property.value}}) {
            PyRef as_text(PyObject_Str(object));
            Py_ssize_t size = 0;
            const char* data = as_text ? PyUnicode_AsUTF8AndSize(as_text.get(), &size) : nullptr;
            if (data == nullptr) return false;
            *text = {data, static_cast<std::size_t>(size)};
            keep.push_back(std::move(as_text));
        }
        out.push_back(property);
    }
    return true;
}

// publish(topic, payload, key, ordering_key, properties, event_time, token)
PyObject* publish(PyObject*, PyObject* args) {
    const char *to = nullptr, *payload = nullptr, *own_key = nullptr, *own_ordering_key = nullptr;
    Py_ssize_t to_size = 0, payload_size = 0, key_size = 0, ordering_key_size = 0;
    PyObject* given_properties = nullptr;
    unsigned long long time = 0, token = 0;
    if (!PyArg_ParseTuple(args, "s#y#z#z#OKK", &to, &to_size, &payload, &payload_size, &own_key, &key_size,
                          &own_ordering_key, &ordering_key_size, &given_properties, &time, &token)) {
        return nullptr;
    }
    if (current() == nullptr) return nullptr;
    std::vector<PyRef> keep;
    std::vector<weft_property> list;
    if (!read_properties(given_properties, keep, list)) return nullptr;
    weft_output output{};
    output.payload = {payload, static_cast<std::size_t>(payload_size)};
    if (own_key != nullptr) output.key = {own_key, static_cast<std::size_t>(key_size)};
    if (own_ordering_key != nullptr) {
        output.ordering_key = {own_ordering_key, static_cast<std::size_t>(ordering_key_size)};
    }
    output.properties = list.data();
    output.num_properties = list.size();
    output.event_time_ms = time;
    output.token = token;
    const CurrentCall& call = current_call();
    call.core->publish(call.index, {to, static_cast<std::size_t>(to_size)}, output);
    Py_RETURN_NONE;
}

PyObject* ack(PyObject*, PyObject* args) {
    const char *of = nullptr, *id = nullptr;
    Py_ssize_t of_size = 0, id_size = 0;
    if (!PyArg_ParseTuple(args, "s#y#", &of, &of_size, &id, &id_size)) return nullptr;
    if (current() == nullptr) return nullptr;
    const Result<> acked = current_call().core->acknowledge({of, static_cast<std::size_t>(of_size)},
                                                            {id, static_cast<std::size_t>(id_size)});
    if (acked) Py_RETURN_NONE;
    PyErr_SetString(PyExc_ValueError, acked.error().message.c_str());
    return nullptr;
}

PyObject* py_identity_deserialize(PyObject*, PyObject* bytes) {
    char* data = nullptr;
    Py_ssize_t size = 0;
    if (PyBytes_AsStringAndSize(bytes, &data, &size) != 0) return nullptr;
    return identity_deserialize({data, static_cast<std::size_t>(size)}).release();
}

PyObject* py_identity_serialize(PyObject*, PyObject* object) {
    std::string scratch;
    std::string_view out;
    if (!identity_serialize(object, scratch, out)) return nullptr;
    return PyBytes_FromStringAndSize(out.data(), static_cast<Py_ssize_t>(out.size()));
}

// MessageIdData: ledgerId 1, entryId 2, partition 3, batch_index 4.
PyObject* serialize_message_id(PyObject*, PyObject* args) {
    unsigned long long parts[2];
    int partition = -1, batch_index = -1;
    if (!PyArg_ParseTuple(args, "KKii", &parts[0], &parts[1], &partition, &batch_index)) return nullptr;
    std::string out;
    const auto field = [&out](int number, unsigned long long value) {
        out.push_back(static_cast<char>(number << 3));
        for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
        out.push_back(static_cast<char>(value));
    };
    field(1, parts[0]);
    field(2, parts[1]);
    if (partition >= 0) field(3, static_cast<unsigned long long>(partition));
    if (batch_index >= 0) field(4, static_cast<unsigned long long>(batch_index));
    return PyBytes_FromStringAndSize(out.data(), static_cast<Py_ssize_t>(out.size()));
}

PyObject* parse_message_id(PyObject*, PyObject* bytes) {
    char* data = nullptr;
    Py_ssize_t size = 0;
    if (PyBytes_AsStringAndSize(bytes, &data, &size) != 0) return nullptr;
    unsigned long long values[16] = {};
    values[3] = values[4] = ~0ULL;  // -1
    for (Py_ssize_t at = 0; at < size;) {
        const int number = (static_cast<unsigned char>(data[at++]) >> 3) & 15;
        unsigned long long value = 0;
        for (int shift = 0; at < size && shift < 64; shift += 7) {
            const auto byte = static_cast<unsigned char>(data[at++]);
            value |= static_cast<unsigned long long>(byte & 0x7f) << shift;
            if ((byte & 0x80) == 0) break;
        }
        values[number] = value;
    }
    return Py_BuildValue("(KKii)", values[1], values[2], static_cast<int>(values[3]),
                         static_cast<int>(values[4]));
}

PyMethodDef kMethods[] = {{"message_id", message_id, METH_NOARGS, nullptr},
                          {"key", key, METH_NOARGS, nullptr},
                          {"ordering_key", ordering_key, METH_NOARGS, nullptr},
                          {"event_time", event_time, METH_NOARGS, nullptr},
                          {"topic", topic, METH_NOARGS, nullptr},
                          {"properties", properties, METH_NOARGS, nullptr},
                          {"log", log_line, METH_VARARGS, nullptr},
                          {"record_metric", record_metric, METH_VARARGS, nullptr},
                          {"publish", publish, METH_VARARGS, nullptr},
                          {"ack", ack, METH_VARARGS, nullptr},
                          {"identity_serialize", py_identity_serialize, METH_O, nullptr},
                          {"identity_deserialize", py_identity_deserialize, METH_O, nullptr},
                          {"serialize_message_id", serialize_message_id, METH_VARARGS, nullptr},
                          {"parse_message_id", parse_message_id, METH_O, nullptr},
                          {nullptr, nullptr, 0, nullptr}};

PyModuleDef kModule = {
    PyModuleDef_HEAD_INIT, "_weft", nullptr, -1, kMethods, nullptr, nullptr, nullptr, nullptr};

}  // namespace

void register_core_module() {
    PyImport_AppendInittab("_weft", [] { return PyModule_Create(&kModule); });
}

}  // namespace weft::host

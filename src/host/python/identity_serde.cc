#include "host/python/detail/identity_serde.h"

#include <array>
#include <charconv>

namespace weft::host {
namespace {

enum CharKind : unsigned char { never_in_a_number, maybe_in_a_number, digit, not_ascii };

/// Which characters the text of an int, a float or a complex may have ("1_000", "-1e5", "nan", " (1+2j) "):
/// one other decides that a text is none. Other scripts have digits too.
constexpr std::array<unsigned char, 256> char_kinds() {
    std::array<unsigned char, 256> kinds{};
    for (const char c :
         {'+', '-', '.', '_', '(', ')', ' ', '\t', '\n', '\r', '\v', '\f', '\x1c', '\x1d', '\x1e', '\x1f'}) {
        kinds[static_cast<unsigned char>(c)] = maybe_in_a_number;
    }
    for (const char c : {'e', 'E', 'j', 'J', 'i', 'I', 'n', 'N', 'f', 'F', 'a', 'A', 't', 'T', 'y', 'Y'}) {
        kinds[static_cast<unsigned char>(c)] = maybe_in_a_number;
    }
    for (char c = '0'; c <= '9'; ++c) kinds[static_cast<unsigned char>(c)] = digit;
    for (std::size_t c = 128; c < 256; ++c) kinds[c] = not_ascii;
    return kinds;
}
constexpr auto kKinds = char_kinds();

enum class Shape { text, small_integer, maybe_number };

Shape shape_of(std::string_view bytes) {
    bool only_digits = true, ascii = true;
    for (const char c : bytes) {
        const auto kind = kKinds[static_cast<unsigned char>(c)];
        if (kind == never_in_a_number) return Shape::text;
        only_digits = only_digits && kind == digit;
        ascii = ascii && kind != not_ascii;
    }
    if (bytes.empty()) return Shape::text;
    return ascii && only_digits && bytes.size() <= 18 ? Shape::small_integer : Shape::maybe_number;
}

PyRef decode(std::string_view bytes) {
    return PyRef(PyUnicode_DecodeUTF8(bytes.data(), static_cast<Py_ssize_t>(bytes.size()), nullptr));
}

}  // namespace

PyRef identity_deserialize(std::string_view bytes) {
    const Shape shape = shape_of(bytes);
    if (shape == Shape::small_integer) {
        long long number = 0;
        std::from_chars(bytes.data(), bytes.data() + bytes.size(), number);
        return PyRef(PyLong_FromLongLong(number));
    }
    PyRef text = decode(bytes);
    if (!text) {  // not UTF-8
        PyErr_Clear();
        return PyRef(PyBytes_FromStringAndSize(bytes.data(), static_cast<Py_ssize_t>(bytes.size())));
    }
    if (shape == Shape::text) return text;
    for (PyTypeObject* type : {&PyLong_Type, &PyFloat_Type, &PyComplex_Type}) {
        PyRef number(PyObject_CallOneArg(reinterpret_cast<PyObject*>(type), text.get()));
        if (number) return number;
        PyErr_Clear();
    }
    return text;
}

bool identity_serialize(PyObject* object, std::string& scratch, std::string_view& out) {
    if (PyBytes_CheckExact(object)) {
        out = {PyBytes_AS_STRING(object), static_cast<std::size_t>(PyBytes_GET_SIZE(object))};
        return true;
    }
    PyRef made;
    if (PyLong_CheckExact(object) || PyFloat_CheckExact(object) || PyComplex_CheckExact(object)) {
        made = PyRef(PyObject_Str(object));
        if (!made) return false;
        object = made.get();
    } else if (!PyUnicode_CheckExact(object)) {
        PyErr_Format(PyExc_TypeError, "IdentitySerde cannot serialize object of type %R", Py_TYPE(object));
        return false;
    }
    Py_ssize_t size = 0;
    const char* text = PyUnicode_AsUTF8AndSize(object, &size);
    if (text == nullptr) return false;
    out = {text, static_cast<std::size_t>(size)};
    if (made) {
        scratch = out;
        out = scratch;
    }
    return true;
}

}  // namespace weft::host

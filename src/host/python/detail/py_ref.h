#pragma once
// PyRef: owns one reference to a Python object. The GIL must be held wherever one is used.

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <utility>

namespace weft::host {

class PyRef {
  public:
    PyRef() = default;
    /// Takes over a new reference (null: an exception is set).
    explicit PyRef(PyObject* owned) : object_(owned) {}
    PyRef(PyRef&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
    PyRef& operator=(PyRef&& other) noexcept {
        std::swap(object_, other.object_);
        return *this;
    }
    ~PyRef() { Py_XDECREF(object_); }

    static PyRef borrowed(PyObject* object) { return PyRef(Py_XNewRef(object)); }
    PyObject* get() const { return object_; }
    PyObject* release() { return std::exchange(object_, nullptr); }
    explicit operator bool() const { return object_ != nullptr; }

  private:
    PyObject* object_ = nullptr;
};

}  // namespace weft::host

#pragma once
// What the public SDK's IdentitySerDe does, in C++: bytes become the first of int, float, complex, str that
// takes them, else stay bytes; int, float, complex and str are written as text, bytes as they are. The GIL is
// held.

#include <string>
#include <string_view>

#include "host/python/detail/py_ref.h"

namespace weft::host {

/// Never fails but for lack of memory.
PyRef identity_deserialize(std::string_view bytes);

/// What `object` is written as: points into the object, or into `scratch`. False: an exception is set
/// (TypeError for a type that IdentitySerDe does not take).
bool identity_serialize(PyObject* object, std::string& scratch, std::string_view& out);

}  // namespace weft::host

#pragma once
// UTF-8: the check that text from outside has to pass before it goes where only text can be read back.

#include <string_view>

namespace weft {

/// Whether these bytes are well-formed UTF-8 (RFC 3629). Protobuf writes a text that isn't, and refuses to
/// read it again.
bool is_utf8(std::string_view text);

}  // namespace weft

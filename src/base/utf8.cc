#include "base/utf8.h"

#include <cstdint>

namespace weft {

bool is_utf8(std::string_view text) {
    while (!text.empty()) {
        const auto lead = static_cast<unsigned char>(text.front());
        const std::size_t size = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
        if ((lead >= 0x80 && lead < 0xc2) || lead > 0xf4 || text.size() < size) return false;
        std::uint32_t point = size == 1 ? lead : lead & (0x7fU >> size);
        for (std::size_t i = 1; i < size; ++i) {
            const auto byte = static_cast<unsigned char>(text[i]);
            if ((byte & 0xc0) != 0x80) return false;
            point = point << 6 | (byte & 0x3fU);
        }
        const bool too_long = (size == 3 && point < 0x800) || (size == 4 && point < 0x10000);
        if (too_long || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) return false;
        text.remove_prefix(size);
    }
    return true;
}

}  // namespace weft

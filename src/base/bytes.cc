#include "base/bytes.h"

#include <algorithm>

#include "base/check.h"

namespace weft {

Bytes Bytes::from(std::string text) {
    auto owner = std::make_shared<const std::string>(std::move(text));
    const char* data = owner->data();
    const std::size_t size = owner->size();
    return Bytes(std::move(owner), data, size);
}

Bytes Bytes::copy_of(std::string_view text) { return from(std::string(text)); }

Bytes Bytes::slice(std::size_t offset, std::size_t count) const {
    WEFT_CHECK(offset <= size_, "slice past the end of Bytes");
    return Bytes(owner_, data_ + offset, std::min(count, size_ - offset));
}

}  // namespace weft

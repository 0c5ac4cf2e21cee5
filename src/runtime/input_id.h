#pragma once
// InputIdEncoder: the property `__pfn_input_msg_id__`, by which an output names its input: standard Base64 of
// the input's MessageIdData. Per message only the few bytes behind the entry's common prefix are encoded.

#include <cstdint>
#include <string_view>

#include "wire/message_id.h"

namespace weft::runtime {

class InputIdEncoder {
  public:
    /// Begins a new entry; `batch_size` 0: it is not a batch.
    void start(const wire::MessageId& id, std::uint32_t batch_size);
    /// The text of one message; valid until the next call.
    std::string_view text_of(std::int32_t batch_index);

  private:
    std::uint32_t batch_size_ = 0;
    std::uint8_t tail_[32];  // raw bytes behind the last whole group of three of the prefix
    std::size_t tail_size_ = 0;
    std::size_t prefix_size_ = 0;  // characters in text_ that are common
    char text_[64];
};

}  // namespace weft::runtime

#pragma once
// Bytes: an immutable slice of a shared block of memory. Copying one copies a pointer; a slice keeps its
// block alive. Entries travel from socket to log to socket as Bytes and are never copied on the way.

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace weft {

class Bytes {
  public:
    Bytes() = default;
    /// A slice of memory that `owner` keeps alive; `owner` is shared by all slices of one block.
    Bytes(std::shared_ptr<const void> owner, const char* data, std::size_t size)
        : owner_(std::move(owner)), data_(data), size_(size) {}
    /// Takes over a string; the one allocation is the string's own plus the control block.
    static Bytes from(std::string text);
    static Bytes copy_of(std::string_view text);
    /// Memory that outlives everything (literals).
    static Bytes literal(std::string_view text) { return Bytes(nullptr, text.data(), text.size()); }

    const char* data() const { return data_; }
    std::size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    std::string_view view() const { return {data_, size_}; }
    std::string str() const { return std::string(view()); }

    /// The part from `offset`, at most `count` bytes; `offset` must not be past the end.
    Bytes slice(std::size_t offset, std::size_t count = std::string_view::npos) const;

    const std::shared_ptr<const void>& owner() const { return owner_; }
    bool operator==(const Bytes& other) const { return view() == other.view(); }

  private:
    // Shared: every slice of one received or read block holds it; the block goes when the last slice does.
    std::shared_ptr<const void> owner_;
    const char* data_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace weft

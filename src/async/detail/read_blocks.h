#pragma once
// ReadBlocks: the memory that the sockets of one loop read into. Frames are slices of it, so a block lives as
// long as its last slice: a small frame kept for long keeps its whole block (64 to 512 KiB).

#include <boost/asio/execution_context.hpp>
#include <cstddef>
#include <memory>
#include <vector>

namespace weft::async {

struct ReadBlock {
    std::shared_ptr<char[]> memory;  // shared by the frames cut from it
    std::size_t capacity = 0;
    std::size_t used = 0;  // bytes from the start that belong to someone

    std::size_t room() const { return capacity - used; }
    char* end() const { return memory.get() + used; }
};

/// One per loop. Hands the half-used block from socket to socket, and uses blocks again when nobody holds a
/// slice.
class ReadBlocks final : public boost::asio::execution_context::service {
  public:
    using key_type = ReadBlocks;
    static inline boost::asio::execution_context::id id;

    explicit ReadBlocks(boost::asio::execution_context& context) : service(context) {}

    /// The half-used block if at least `room` bytes of it are free, else one of `capacity` bytes.
    ReadBlock take(std::size_t room, std::size_t capacity);
    /// Gives a block back; what is free of it serves the next.
    void give(ReadBlock block);

  private:
    static constexpr std::size_t kRetiredMax = 4;
    void shutdown() override {}
    ReadBlock current_;
    std::vector<ReadBlock> retired_;  // waiting for their slices to go
};

}  // namespace weft::async

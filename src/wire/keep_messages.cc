#include "wire/keep_messages.h"

#include <algorithm>
#include <string>

#include "base/crc32c.h"
#include "wire/detail/entry_format.h"
#include "wire/detail/proto_coding.h"
#include "wire/entry.h"
#include "wire/proto/PulsarApi.pb.h"

namespace weft::wire {
namespace {

namespace proto = ::pulsar::proto;

void put_size(std::string& out, std::size_t size) {
    char bytes[detail::kSizeBytes];
    detail::put_big_endian(bytes, static_cast<std::uint32_t>(size));
    out.append(bytes, sizeof bytes);
}

std::unexpected<Error> malformed(std::uint32_t index) {
    return fail(ErrorCode::corrupt, "message ", index, " of a batch doesn't parse");
}

/// The batch's messages, those that are not kept as empty ones.
Result<std::string> filtered(std::string_view rest, std::uint32_t messages,
                             std::span<const std::uint32_t> kept) {
    proto::SingleMessageMetadata gone;
    gone.set_payload_size(0);
    gone.set_compacted_out(true);
    std::string empty;
    put_size(empty, gone.ByteSizeLong());
    gone.AppendToString(&empty);

    std::string out;
    proto::SingleMessageMetadata metadata;
    for (std::uint32_t index = 0; index < messages; ++index) {
        if (rest.size() < detail::kSizeBytes) return malformed(index);
        const std::size_t size = detail::get_big_endian(rest.data());
        if (size > rest.size() - detail::kSizeBytes ||
            !metadata.ParseFromArray(rest.data() + detail::kSizeBytes, static_cast<int>(size)) ||
            metadata.payload_size() < 0)
            return malformed(index);
        const std::size_t whole =
            detail::kSizeBytes + size + static_cast<std::size_t>(metadata.payload_size());
        if (whole > rest.size()) return malformed(index);
        out += std::ranges::binary_search(kept, index) ? rest.substr(0, whole) : std::string_view(empty);
        rest.remove_prefix(whole);
    }
    return out;
}

}  // namespace

Result<Bytes> keep_messages(const Bytes& entry, std::span<const std::uint32_t> kept) {
    WEFT_TRY(const auto view, read_entry(entry, ChecksumCheck::skip));
    const auto codec = view.metadata.compression;
    WEFT_TRY(const Bytes plain, decompress(codec, view.payload, view.metadata.uncompressed_size));
    WEFT_TRY(std::string batch, filtered(plain.view(), view.metadata.num_messages, kept));

    const std::size_t head = entry.size() - view.payload.size();
    const bool summed = entry.view().starts_with(
        std::string_view(reinterpret_cast<const char*>(detail::kMagic), detail::kMagicBytes));
    const std::size_t before = summed ? detail::kPrefixBytes : detail::kSizeBytes;
    proto::MessageMetadata metadata;
    if (!metadata.ParseFromArray(entry.data() + before, static_cast<int>(head - before)))
        return fail(ErrorCode::corrupt, "the metadata of a batch doesn't parse");
    metadata.set_uncompressed_size(static_cast<std::uint32_t>(batch.size()));
    WEFT_TRY(const Bytes packed, compress(codec, Bytes::from(std::move(batch))));

    std::string out(reinterpret_cast<const char*>(detail::kMagic), detail::kMagicBytes);
    out.append(detail::kChecksumBytes, '\0');
    put_size(out, metadata.ByteSizeLong());
    metadata.AppendToString(&out);
    out += packed.view();
    constexpr std::size_t kCovered = detail::kMagicBytes + detail::kChecksumBytes;
    detail::put_big_endian(out.data() + detail::kMagicBytes, crc32c(std::string_view(out).substr(kCovered)));
    return Bytes::from(std::move(out));
}

}  // namespace weft::wire

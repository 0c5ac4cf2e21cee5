#pragma once
// Inspecting a store's directory without opening it: every checksum is looked at, nothing is changed. A store
// may be using the directory meanwhile.

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "store/damage.h"
#include "store/file_system.h"

namespace weft::store {

struct Inspection {
    std::vector<Damage> damage;                     // in the log
    std::vector<std::string> damaged_files;         // "snapshot: one of its two copies is damaged"
    std::map<std::string, Bytes, std::less<>> map;  // as the log leaves it
    std::uint64_t segments = 0, entries = 0, bytes = 0;
    std::uint64_t end_segment = 0, end_offset = 0;  // where the log ended when it was read
};

/// What inspect() goes through.
struct InspectedFile {
    std::string_view name;     // in the directory
    std::string_view content;  // of a segment: up to the end of its records
};
using FileVisitor = std::function<Result<>(const InspectedFile&)>;

/// Reads everything; `visit` gets the snapshot and the segments, in this order, of which the store's state
/// can be made again: all that was confirmed when the call began, and maybe more. `conflict`: the store has
/// let go of a segment meanwhile; then it is to be tried again. `corrupt`: a newer format; `not_found`: no
/// store. Of a store that has written nothing yet `visit` gets the lock, without content.
Result<Inspection> inspect(FileSystem& files, const std::string& directory, const FileVisitor& visit);

}  // namespace weft::store

#include "store/directory.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace weft::store {
namespace {

constexpr std::string_view kSegmentPrefix = "segment-";
constexpr std::string_view kFreePrefix = "free-";
constexpr std::string_view kLogSuffix = ".log";
constexpr std::string_view kIndexSuffix = ".index";
constexpr std::size_t kDigits = 16;
// take() may have to wait until one such part is written (not synced).
constexpr std::uint64_t kFillBytes = 512U << 10;
constexpr std::array<char, 64U << 10> kZeros{};
static_assert(kFillBytes % kZeros.size() == 0);

std::string numbered(std::string_view prefix, std::uint64_t number, std::string_view suffix) {
    char digits[kDigits];
    const auto end = std::to_chars(digits, digits + kDigits, number, 16).ptr;
    const std::string_view shown(digits, static_cast<std::size_t>(end - digits));
    return str_cat(prefix, std::string(kDigits - shown.size(), '0'), shown, suffix);
}

std::optional<std::uint64_t> number_in(std::string_view name, std::string_view prefix,
                                       std::string_view suffix) {
    if (name.size() != prefix.size() + kDigits + suffix.size()) return std::nullopt;
    if (!name.starts_with(prefix) || !name.ends_with(suffix)) return std::nullopt;
    const char* const first = name.data() + prefix.size();
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(first, first + kDigits, number, 16);
    if (error != std::errc() || end != first + kDigits) return std::nullopt;
    return number;
}

}  // namespace

std::string segment_name(std::uint64_t sequence) { return numbered(kSegmentPrefix, sequence, kLogSuffix); }
std::string index_name(std::uint64_t sequence) { return numbered(kSegmentPrefix, sequence, kIndexSuffix); }
std::string free_name(std::uint64_t number) { return numbered(kFreePrefix, number, kLogSuffix); }

std::optional<std::uint64_t> segment_of(std::string_view name) {
    return number_in(name, kSegmentPrefix, kLogSuffix);
}
std::optional<std::uint64_t> index_of(std::string_view name) {
    return number_in(name, kSegmentPrefix, kIndexSuffix);
}
std::optional<std::uint64_t> free_of(std::string_view name) {
    return number_in(name, kFreePrefix, kLogSuffix);
}

std::string Directory::at(std::string_view name) const { return str_cat(path_, "/", name); }

Result<std::string> Directory::read_file(std::string_view name, std::uint64_t bytes_max) {
    WEFT_TRY(const auto file, files_.open(at(name)));
    WEFT_TRY(const std::uint64_t size, file->size());
    if (size > bytes_max) return fail(ErrorCode::too_large, at(name), " has ", size, " bytes");
    std::string content(size, '\0');
    WEFT_TRY(const std::size_t got, file->read_at(0, content.data(), size));
    content.resize(got);
    return content;
}

Result<> Directory::replace_file(std::string_view name, std::string_view content) {
    const std::string temporary = str_cat(at(name), kTemporarySuffix);
    if (const auto removed = files_.remove(temporary);
        !removed && removed.error().code != ErrorCode::not_found) {
        return removed;
    }
    WEFT_TRY_VOID(write_new(temporary, content));
    WEFT_TRY_VOID(files_.rename(temporary, at(name)));
    return files_.sync_directory(path_);
}

Result<> Directory::replace_file_surely(std::string_view name, std::string_view content) {
    auto replaced = replace_file(name, content);
    if (!replaced && replaced.error().code == ErrorCode::disk_full && files_.remove(at(kReserveName))) {
        replaced = replace_file(name, content);
        keep_reserve();
    }
    return replaced;
}

Result<> Directory::write_new(const std::string& path, std::string_view content) {
    WEFT_TRY(const auto file, files_.create(path));
    auto written = file->write_at(0, std::span(&content, 1));
    if (written) written = file->sync();
    if (!written) (void)files_.remove(path);  // gives its room back; what matters is the first error
    return written;
}

void Directory::keep_reserve() {
    const std::string path = at(kReserveName);
    auto file = files_.open(path);
    if (!file) file = files_.create(path);
    if (file && (*file)->allocate(reserve_bytes_)) return;
    (void)files_.remove(path);  // no room now
}

Result<SegmentPool::Taken> SegmentPool::take(std::uint64_t sequence) {
    const std::lock_guard lock(mutex_);
    auto ready = std::exchange(prepared_, std::nullopt);
    if (ready && ready->first == sequence) {
        last_taken_ = std::max(last_taken_, sequence);
        return std::move(ready->second);
    }
    auto made = make_segment(sequence);
    if (made) last_taken_ = std::max(last_taken_, sequence);
    return made;
}

void SegmentPool::prepare(std::uint64_t sequence) {
    const std::lock_guard lock(mutex_);
    if (sequence <= last_taken_) return;  // too late: it is being written
    if (auto made = make_segment(sequence)) prepared_.emplace(sequence, std::move(*made));
}

bool SegmentPool::fill_prepared() {
    std::unique_lock lock(mutex_);
    if (!prepared_ || prepared_->second.written_to + kFillBytes > segment_bytes_) return false;
    const std::uint64_t sequence = prepared_->first;
    // Opened anew: an error of this sync is then still reported to who uses the segment.
    const auto file = directory_.files().open(directory_.at(segment_name(sequence)));
    if (!file) return false;
    // In small writes: the kernel does each in one go, and has to find memory for it.
    const std::string_view zeros(kZeros.data(), kZeros.size());
    for (std::uint64_t done = 0; done < kFillBytes; done += zeros.size()) {
        if (!(*file)->write_at(prepared_->second.written_to + done, std::span(&zeros, 1))) return false;
    }
    lock.unlock();  // take() must not wait for the disk
    const bool synced = (*file)->sync().has_value();
    lock.lock();
    if (!synced || !prepared_ || prepared_->first != sequence) return false;
    prepared_->second.written_to += kFillBytes;
    return true;
}

bool SegmentPool::find_room(std::uint64_t sequence) {
    const std::lock_guard lock(mutex_);
    if (sequence <= last_taken_ || prepared_) return true;
    if (free_.empty()) {
        // Asked, because a file system without reservations would give a file of any size.
        const auto room = directory_.files().room(directory_.path());
        if (!room || room->free < segment_bytes_) return false;
    }
    auto made = make_segment(sequence);
    if (made) prepared_.emplace(sequence, std::move(*made));
    return made.has_value();
}

Result<SegmentPool::Taken> SegmentPool::make_segment(std::uint64_t sequence) {
    FileSystem& files = directory_.files();
    const std::string path = directory_.at(segment_name(sequence));
    const bool reused = !free_.empty();
    if (reused) {
        WEFT_TRY_VOID(files.rename(directory_.at(free_name(free_.back())), path));
        free_.pop_back();
    }
    WEFT_TRY(auto file, make(path));
    WEFT_TRY_VOID(files.sync_directory(directory_.path()));
    return Taken{.file = std::move(file), .written_to = reused ? segment_bytes_ : 0};
}

// A file that is there already is one just renamed, or left by an earlier try.
Result<std::unique_ptr<File>> SegmentPool::make(const std::string& path) {
    FileSystem& files = directory_.files();
    auto file = files.open(path);
    if (!file && file.error().code == ErrorCode::not_found) file = files.create(path);
    if (!file) return file;
    if (auto room = (*file)->allocate(segment_bytes_); !room) {
        file->reset();
        (void)files.remove(path);  // what it did get is given back
        return std::unexpected(std::move(room).error());
    }
    return file;
}

Result<> SegmentPool::give(const std::string& name) {
    const std::lock_guard lock(mutex_);
    if (free_.size() >= free_max_) return directory_.files().remove(directory_.at(name));
    WEFT_TRY_VOID(directory_.files().rename(directory_.at(name), directory_.at(free_name(next_free_))));
    free_.push_back(next_free_++);
    return {};
}

void SegmentPool::found_free(std::uint64_t number) {
    const std::lock_guard lock(mutex_);
    free_.push_back(number);
    next_free_ = std::max(next_free_, number + 1);
}

}  // namespace weft::store

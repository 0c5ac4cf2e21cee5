#pragma once
// PackageStore: uploaded packages on this machine's disk, named by the SHA-256 of their bytes.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weft::package {

/// SHA-256 in lower-case hexadecimal (64 characters).
std::string sha256_hex(std::string_view bytes);

/// Whether a file name that came with an upload may be used as it is: one path part, not empty, not "." or
/// "..", no control characters, at most 200 bytes. `invalid_argument` otherwise.
Result<> check_file_name(std::string_view name);

struct PackageStoreOptions {
    std::filesystem::path directory;
    std::uint64_t package_bytes_max = 256U << 20;  // one package; `too_large` over it
    std::uint64_t total_bytes_max = 8ULL << 30;    // all of them; `limit_reached` over it
};

/// Each package is one file `<directory>/<digest>`, whole and synced before put() returns, never changed. Any
/// thread.
class PackageStore final {
  public:
    /// Makes the directory if need be and drops what an interrupted put() left.
    static Result<std::unique_ptr<PackageStore>> open(PackageStoreOptions options);

    /// Holds a package back from collect() while it lives: from put() until something that stays names the
    /// digest.
    class Pin {
      public:
        Pin(Pin&& other) noexcept
            : store_(std::exchange(other.store_, nullptr)), digest_(std::move(other.digest_)) {}
        Pin& operator=(Pin&&) = delete;
        ~Pin();
        const std::string& digest() const { return digest_; }

      private:
        friend class PackageStore;
        Pin(PackageStore* store, std::string digest) : store_(store), digest_(std::move(digest)) {}
        PackageStore* store_;
        std::string digest_;
    };

    /// Stores bytes; the same bytes again are stored once. On the disk when it returns. `too_large`,
    /// `limit_reached`, `disk_full`, `io`.
    Result<Pin> put(std::string_view bytes);
    /// A package's bytes, checked: `corrupt` if they aren't what was put, `not_found` if there is no such
    /// package.
    Result<std::string> read(std::string_view digest) const;
    /// Makes `target` a copy of the package (a hard link where the file system can), replacing what is there;
    /// its folder must exist. Checked as by read().
    Result<> place(std::string_view digest, const std::filesystem::path& target) const;
    /// Deletes every package that is neither pinned nor in what `live` gives; gives the bytes freed. `live`
    /// is asked while nothing can be put or unpinned, so a package that was put and named before is safe.
    Result<std::uint64_t> collect(const std::function<std::set<std::string>()>& live);
    bool contains(const std::string& digest) const;
    std::uint64_t total_bytes() const;

  private:
    explicit PackageStore(PackageStoreOptions options) : options_(std::move(options)) {}
    Result<> read_directory();
    void unpin(const std::string& digest);

    const PackageStoreOptions options_;

    mutable std::mutex mutex_;                    // guards what follows, and put() against collect()
    std::map<std::string, std::uint64_t> sizes_;  // digest to bytes
    std::map<std::string, int> pins_;
    std::uint64_t total_bytes_ = 0;
};

}  // namespace weft::package

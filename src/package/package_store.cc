#include "package/package_store.h"

#include <openssl/evp.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include "base/utf8.h"

#include "base/check.h"
#include "observe/log.h"
#include "package/detail/durable_file.h"

namespace weft::package {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kDigestLength = 64;
constexpr std::size_t kFileNameBytesMax = 200;
const observe::Logger kLog("package");

bool is_digest(std::string_view name) {
    const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
    return name.size() == kDigestLength && std::ranges::all_of(name, is_hex);
}

}  // namespace

std::string sha256_hex(std::string_view bytes) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned int length = 0;
    const int ok = EVP_Digest(bytes.data(), bytes.size(), digest.data(), &length, EVP_sha256(), nullptr);
    WEFT_CHECK(ok == 1, "OpenSSL has no SHA-256");
    constexpr std::string_view kHex = "0123456789abcdef";
    std::string text;
    for (unsigned int i = 0; i < length; ++i) {
        text.push_back(kHex[digest.at(i) >> 4U]);
        text.push_back(kHex[digest.at(i) & 15U]);
    }
    return text;
}

Result<> check_file_name(std::string_view name) {
    const auto is_bad = [](char c) { return c == '/' || c == '\\' || static_cast<unsigned char>(c) < 0x20; };
    if (name.empty() || name == "." || name == ".." || std::ranges::any_of(name, is_bad)) {
        return fail(ErrorCode::invalid_argument, "The package's file name '", name,
                    "' is invalid: it must be one name without slashes or control characters");
    }
    if (!is_utf8(name)) {
        return fail(ErrorCode::invalid_argument, "The package's file name '", name,
                    "' is invalid: it must be UTF-8");
    }
    if (name.size() > kFileNameBytesMax) {
        return fail(ErrorCode::invalid_argument, "The package's file name has ", name.size(),
                    " bytes, at most ", kFileNameBytesMax, " are taken");
    }
    return {};
}

Result<std::unique_ptr<PackageStore>> PackageStore::open(PackageStoreOptions options) {
    std::error_code error;
    fs::create_directories(options.directory, error);
    if (error) return file_error("Can't make the package folder", options.directory, error.value());
    std::unique_ptr<PackageStore> store(new PackageStore(std::move(options)));
    WEFT_TRY_VOID(store->read_directory());
    return store;
}

Result<> PackageStore::read_directory() {
    std::error_code error;
    for (fs::directory_iterator it(options_.directory, error), end; !error && it != end;
         it.increment(error)) {
        const std::string name = it->path().filename().string();
        std::error_code ignored;  // a file that can't be measured now is met again at the next start
        if (remove_if_temporary(it->path())) continue;
        if (is_digest(name)) {
            const std::uint64_t size = it->file_size(ignored);
            if (!ignored) {
                sizes_[name] = size;
                total_bytes_ += size;
            }
        }
    }
    if (error) return file_error("Can't list", options_.directory, error.value());
    return {};
}

PackageStore::Pin::~Pin() {
    if (store_) store_->unpin(digest_);
}

void PackageStore::unpin(const std::string& digest) {
    const std::lock_guard lock(mutex_);
    const auto found = pins_.find(digest);
    if (found != pins_.end() && --found->second == 0) pins_.erase(found);
}

Result<PackageStore::Pin> PackageStore::put(std::string_view bytes) {
    if (bytes.size() > options_.package_bytes_max) {
        return fail(ErrorCode::too_large, "The package has ", bytes.size(), " bytes, at most ",
                    options_.package_bytes_max, " are taken");
    }
    const std::string digest = sha256_hex(bytes);
    const std::lock_guard lock(mutex_);
    const bool known = sizes_.contains(digest);
    if (known && read_file(options_.directory / digest) != std::string(bytes)) {
        WEFT_TRY_VOID(
            write_file(options_.directory / digest, bytes));  // it was changed or lost on the disk: heal it
    }
    if (!known) {
        if (bytes.size() > options_.total_bytes_max - std::min(total_bytes_, options_.total_bytes_max)) {
            return fail(ErrorCode::limit_reached, "The packages would take more than ",
                        options_.total_bytes_max, " bytes; delete functions that aren't needed");
        }
        WEFT_TRY_VOID(write_file(options_.directory / digest, bytes));
        sizes_[digest] = bytes.size();
        total_bytes_ += bytes.size();
    }
    ++pins_[digest];
    return Pin(this, digest);
}

Result<std::string> PackageStore::read(std::string_view digest) const {
    if (!is_digest(digest))
        return fail(ErrorCode::invalid_argument, "'", digest.substr(0, 200),
                    "' is not a package's digest: it has 64 hexadecimal digits");
    const fs::path source = options_.directory / digest;
    if (::access(source.c_str(), F_OK) != 0)
        return fail(ErrorCode::not_found, "There is no package ", digest, ": upload it first");
    WEFT_TRY(std::string bytes, read_file(source));
    if (sha256_hex(bytes) != digest) {
        return fail(ErrorCode::corrupt, "The package ", source.string(),
                    " was changed on the disk: upload it again");
    }
    return bytes;
}

Result<> PackageStore::place(std::string_view digest, const fs::path& target) const {
    WEFT_TRY(const std::string bytes, read(digest));
    const fs::path source = options_.directory / digest;
    const fs::path temporary = str_cat(target.string(), ".new");
    ::unlink(temporary.c_str());
    if (::link(source.c_str(), temporary.c_str()) != 0)  // another file system, or one without links: copy
        return write_file(target, bytes);
    if (::rename(temporary.c_str(), target.c_str()) != 0) return file_error("Can't rename", temporary, errno);
    ::unlink(temporary.c_str());  // rename() between two links of one file does nothing and leaves the first
    return {};
}

Result<std::uint64_t> PackageStore::collect(const std::function<std::set<std::string>()>& live_now) {
    const std::lock_guard lock(mutex_);
    const std::set<std::string> live = live_now();
    std::uint64_t freed = 0;
    for (auto it = sizes_.begin(); it != sizes_.end();) {
        if (live.contains(it->first) || pins_.contains(it->first)) {
            ++it;
            continue;
        }
        const fs::path path = options_.directory / it->first;
        if (::unlink(path.c_str()) != 0 && errno != ENOENT) return file_error("Can't delete", path, errno);
        kLog.info("package deleted", {{"digest", it->first}, {"bytes", it->second}});
        freed += it->second;
        total_bytes_ -= it->second;
        it = sizes_.erase(it);
    }
    return freed;
}

bool PackageStore::contains(const std::string& digest) const {
    const std::lock_guard lock(mutex_);
    return sizes_.contains(digest);
}

std::uint64_t PackageStore::total_bytes() const {
    const std::lock_guard lock(mutex_);
    return total_bytes_;
}

}  // namespace weft::package

#include "security/detail/secret_file.h"

#include <fstream>
#include <sstream>

namespace weft::security {

namespace {

constexpr std::size_t kBytesMax = 64U << 10;

}  // namespace

std::string path_of_file_url(std::string_view url) {
    url.remove_prefix(std::string_view("file:").size());
    if (url.starts_with("//")) url.remove_prefix(2);
    return std::string(url);
}

Result<std::string> read_secret_file(const std::string& path, ErrorCode code, std::string_view what) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    if (!file || !(text << file.rdbuf()))
        return fail(code, "can't read the ", what, ' ', path,
                    "; name a file that is there, has something in it, and that this user can read");
    std::string bytes = std::move(text).str();
    if (bytes.size() > kBytesMax)
        return fail(code, "the ", what, ' ', path, " has more than ", kBytesMax, " bytes");
    return bytes;
}

}  // namespace weft::security

#pragma once
// Where a test puts its files.

#include <stdlib.h>

#include <filesystem>
#include <string>

namespace weft {

/// A new empty directory, which goes with all that is in it when this does.
class TemporaryDirectory {
  public:
    TemporaryDirectory() : path_((std::filesystem::temp_directory_path() / "weft-test-XXXXXX").string()) {
        if (!::mkdtemp(path_.data())) std::abort();  // a test without a place for its files tells nothing
    }
    ~TemporaryDirectory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    const std::string& path() const { return path_; }

  private:
    std::string path_;
};

}  // namespace weft

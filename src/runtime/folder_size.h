#pragma once
// FolderSize: how much a folder holds, found out a piece at a time. Who fills it can't make others wait.

#include <dirent.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace weft::runtime {

class FolderSize final {
  public:
    struct Seen {
        std::uint64_t bytes = 0;
        bool whole = false;  // all of it was looked at; the next look begins anew
    };

    explicit FolderSize(std::string folder);
    ~FolderSize();
    FolderSize(const FolderSize&) = delete;
    FolderSize& operator=(const FolderSize&) = delete;

    /// Goes on for a millisecond or so. What the folder's files take on their disk, each 4 KiB at least: as
    /// far as they have names in it. Links are not followed. What it may not see, or is too deep for it,
    /// counts as more than fits on any disk.
    Seen look();
    void begin_anew();

  private:
    struct Close {
        void operator()(DIR* folder) const { closedir(folder); }
    };
    using Folder = std::unique_ptr<DIR, Close>;

    void unseen(int error);
    void enter(int parent, const char* name);
    void add(int folder, const char* name);

    const std::string path_;
    std::vector<Folder> open_;  // from the top to where it is
    std::uint64_t bytes_ = 0;
};

}  // namespace weft::runtime

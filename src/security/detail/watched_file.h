#pragma once
// WatchedFile: what is made of a file, made anew when the file has changed. Any thread.

#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "observe/log.h"
#include "security/tls.h"

namespace weft::security {

template <class T>
class WatchedFile {
  public:
    using Make = std::function<Result<T>()>;

    /// `path` empty: made once.
    static Result<std::unique_ptr<WatchedFile>> create(std::string path, Make make) {
        const FileStamp stamp = FileStamp::of(path);
        WEFT_TRY(T made, make());
        return std::unique_ptr<WatchedFile>(
            new WatchedFile(std::move(path), std::move(make), stamp, std::move(made)));
    }

    /// Of the file as it is now. One that can't be used any more is said in the log once, and the last good
    /// one serves on.
    std::shared_ptr<const T> current() {
        const std::scoped_lock lock(mutex_);
        const FileStamp stamp = FileStamp::of(path_);
        if (stamp == stamp_) return value_;
        stamp_ = stamp;
        if (auto made = make_()) {
            value_ = std::make_shared<const T>(std::move(*made));
            log_.info("a file was read again", {{"file", path_}});
        } else {
            log_.error("a changed file can't be used, the last one serves on",
                       {{"file", path_}, {"reason", made.error().message}});
        }
        return value_;
    }

  private:
    WatchedFile(std::string path, Make make, FileStamp stamp, T value)
        : path_(std::move(path)),
          make_(std::move(make)),
          stamp_(stamp),
          value_(std::make_shared<const T>(std::move(value))) {}

    const std::string path_;
    const Make make_;
    const observe::Logger log_{"security"};
    std::mutex mutex_;
    // guarded by mutex_
    FileStamp stamp_;
    std::shared_ptr<const T> value_;
};

}  // namespace weft::security

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>

#include "os/fd.h"
#include "os/files.h"
#include "os/full_io.h"

namespace minato {

namespace {

std::string errno_text(int number) {
  std::array<char, 128> text{};
  return strerror_r(number, text.data(), text.size());
}

// What the caller does about it, from errno.
Errc class_of(int number) {
  switch (number) {
    case ENOENT:
    case ENOTDIR:
      return Errc::kNotFound;
    case EEXIST:
    case EWOULDBLOCK:
      return Errc::kConflict;
    case EIO:
      return Errc::kCorrupt;
    case EACCES:
    case EPERM:
    case EROFS:
    case EINVAL:
    case EISDIR:
    case ENAMETOOLONG:
      return Errc::kRefused;
    case EFBIG:
      return Errc::kTooLarge;
    default:
      return Errc::kUnavailable;
  }
}

std::unexpected<Error> fail_errno(std::string_view call, const std::string& path) {
  const int number = errno;
  std::string text = std::string(call) + " " + path + ": ";
  text += number == ENOSPC || number == EDQUOT ? "no space" : errno_text(number);
  return fail(class_of(number), std::move(text));
}

Status status_of(int result, std::string_view call, const std::string& path) {
  if (result != 0) return fail_errno(call, path);
  return {};
}

class RealFile final : public File {
 public:
  RealFile(Fd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  Result<std::size_t> pread(std::span<char> into, std::uint64_t offset) const override {
    const auto read = [&](void* to, std::size_t bytes, std::uint64_t at) {
      return ::pread(fd_.get(), to, bytes, static_cast<off_t>(at));
    };
    const ssize_t got = os::read_fully(read, into, offset);
    if (got < 0) return fail_errno("read", path_);
    return static_cast<std::size_t>(got);
  }

  Status pwrite(std::span<const std::string_view> pieces, std::uint64_t offset) override {
    std::vector<iovec> iovecs;
    iovecs.reserve(pieces.size());
    for (const auto piece : pieces) iovecs.push_back({const_cast<char*>(piece.data()), piece.size()});
    const auto write = [&](const iovec* from, int count, std::uint64_t at) {
      return ::pwritev(fd_.get(), from, count, static_cast<off_t>(at));
    };
    if (!os::write_fully(write, iovecs, offset, IOV_MAX)) return fail_errno("write", path_);
    return {};
  }

  // EINTR is not repeated: whether the pages were written is unknown then, as after any other error.
  Status sync_data() override { return status_of(::fdatasync(fd_.get()), "fdatasync", path_); }

  Result<std::uint64_t> size() const override {
    struct stat info{};
    if (::fstat(fd_.get(), &info) != 0) return fail_errno("stat", path_);
    return static_cast<std::uint64_t>(info.st_size);
  }

  Status truncate(std::uint64_t size) override {
    const auto call = [&] { return ::ftruncate(fd_.get(), static_cast<off_t>(size)); };
    return status_of(os::retry_interrupted(call), "truncate", path_);
  }

  Status preallocate(std::uint64_t size) override {
    const auto call = [&] { return ::fallocate(fd_.get(), 0, 0, static_cast<off_t>(size)); };
    if (os::retry_interrupted(call) == 0) return {};
    if (errno == EOPNOTSUPP) return fail(Errc::kRefused, "preallocate " + path_ + ": not on this file system");
    return fail_errno("preallocate", path_);
  }

 private:
  Fd fd_;
  std::string path_;
};

int open_flags(OpenMode mode) {
  switch (mode) {
    case OpenMode::kRead:
      return O_RDONLY;
    case OpenMode::kReadWrite:
      return O_RDWR;
    case OpenMode::kCreateNew:
      return O_RDWR | O_CREAT | O_EXCL;
    case OpenMode::kCreateOrOpen:
      return O_RDWR | O_CREAT;
  }
  return O_RDONLY;
}

Result<Fd> open_fd(const std::string& path, int flags) {
  Fd fd(os::retry_interrupted([&] { return ::open(path.c_str(), flags | O_CLOEXEC, 0600); }));
  if (!fd.valid()) return fail_errno("open", path);
  return fd;
}

class RealFiles final : public Files {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    MN_TRY(fd, open_fd(path, open_flags(mode)));
    return std::make_unique<RealFile>(std::move(fd), path);
  }

  Result<std::vector<std::string>> list(const std::string& directory) override {
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(directory.c_str()), ::closedir);
    if (!stream) return fail_errno("list", directory);
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = ::readdir(stream.get())) {
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
    }
    if (errno != 0) return fail_errno("list", directory);
    std::ranges::sort(names);
    return names;
  }

  Result<bool> exists(const std::string& path) override {
    struct stat info{};
    if (::stat(path.c_str(), &info) == 0) return true;
    if (errno == ENOENT || errno == ENOTDIR) return false;
    return fail_errno("stat", path);
  }

  Status make_directories(const std::string& directory) override {
    for (std::size_t end = directory.find('/', 1);; end = directory.find('/', end + 1)) {
      const std::string part = directory.substr(0, end);
      if (::mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) return fail_errno("make directory", part);
      if (end == std::string::npos) break;
    }
    struct stat info{};
    if (::stat(directory.c_str(), &info) != 0) return fail_errno("stat", directory);
    if (!S_ISDIR(info.st_mode)) return fail(Errc::kConflict, "make directory " + directory + ": a file is there");
    return {};
  }

  Status rename(const std::string& from, const std::string& to) override {
    return status_of(::rename(from.c_str(), to.c_str()), "rename", from);
  }

  Status remove(const std::string& path) override {
    struct stat info{};
    if (::lstat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) {
      return status_of(::rmdir(path.c_str()), "remove", path);
    }
    return status_of(::unlink(path.c_str()), "remove", path);
  }

  Status sync_directory(const std::string& directory) override {
    MN_TRY(fd, open_fd(directory, O_RDONLY | O_DIRECTORY));
    return status_of(::fsync(fd.get()), "fsync", directory);
  }

  Result<SpaceInfo> space(const std::string& directory) override {
    struct statvfs info{};
    const auto call = [&] { return ::statvfs(directory.c_str(), &info); };
    if (os::retry_interrupted(call) != 0) return fail_errno("statvfs", directory);
    return SpaceInfo{.total_bytes = info.f_blocks * info.f_frsize, .free_bytes = info.f_bavail * info.f_frsize};
  }

  Result<std::unique_ptr<File>> lock(const std::string& path) override {
    MN_TRY(fd, open_fd(path, O_RDWR | O_CREAT));
    if (os::retry_interrupted([&] { return ::flock(fd.get(), LOCK_EX | LOCK_NB); }) != 0) {
      if (errno == EWOULDBLOCK) return fail(Errc::kConflict, "lock " + path + ": another process holds it");
      return fail_errno("lock", path);
    }
    return std::make_unique<RealFile>(std::move(fd), path);
  }
};

}  // namespace

Files& real_files() {
  static RealFiles files;
  return files;
}

}  // namespace minato

// The file system as an interface, so that the same code runs on the real one and on os/sim's, which tears writes,
// drops what was not synced, fills up and fails on command, replayable from a seed.
//
// Paths are plain strings with '/'. Errors: kNotFound (no such file), kConflict (exists, or locked by another process),
// kUnavailable with "no space" in its text (ENOSPC, EDQUOT), kCorrupt (EIO). Methods may be called from any thread; one
// File is used by one thread at a time, except pread, which any number may call at once.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace minato {

class File {
 public:
  virtual ~File() = default;
  // Reads up to `into.size()` bytes at `offset`; fewer only at the end of the file.
  virtual Result<std::size_t> pread(std::span<char> into, std::uint64_t offset) const = 0;
  // Writes all the pieces, one after another, at `offset`. Not durable before sync_data(). After an error the bytes
  // there are unknown.
  virtual Status pwrite(std::span<const std::string_view> pieces, std::uint64_t offset) = 0;
  // fdatasync: when this returns, all that was written survives a power cut. After an error the kernel may have dropped
  // the pages: nothing about this file may be assumed any more, and the call must not be repeated to make it succeed.
  virtual Status sync_data() = 0;
  virtual Result<std::uint64_t> size() const = 0;
  virtual Status truncate(std::uint64_t size) = 0;
  // Reserves blocks so that later writes neither fail for space nor change the file's size. A file system that cannot
  // answers kRefused.
  virtual Status preallocate(std::uint64_t size) = 0;
};

struct SpaceInfo {
  std::uint64_t total_bytes = 0;
  std::uint64_t free_bytes = 0;  // free to this process
};

enum class OpenMode : std::uint8_t {
  kRead,       // kNotFound when missing
  kReadWrite,  // kNotFound when missing
  kCreateNew,  // kConflict when there
  kCreateOrOpen,
};

class Files {
 public:
  virtual ~Files() = default;
  virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
  // Names in the directory, sorted, without "." and "..".
  virtual Result<std::vector<std::string>> list(const std::string& directory) = 0;
  virtual Result<bool> exists(const std::string& path) = 0;
  // Makes the directory and its parents; mode 0700. Already there is success.
  virtual Status make_directories(const std::string& directory) = 0;
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  virtual Status remove(const std::string& path) = 0;
  // Makes creations, renames and removals in the directory survive a power cut.
  virtual Status sync_directory(const std::string& directory) = 0;
  virtual Result<SpaceInfo> space(const std::string& directory) = 0;
  // An exclusive lock held until the returned object dies or the process ends. kConflict when another process holds it.
  virtual Result<std::unique_ptr<File>> lock(const std::string& path) = 0;
};

// The operating system's files. Lives as long as the program.
Files& real_files();

// Whole-file helpers on any Files.
Result<std::string> read_file(Files& files, const std::string& path, std::uint64_t bytes_max);
// Writes beside, syncs, renames over `path`, syncs the directory: after a crash the old or the new bytes are there,
// never a mix.
Status write_file_atomically(Files& files, const std::string& path, std::string_view bytes);

}  // namespace minato

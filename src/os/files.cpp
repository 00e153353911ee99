#include "os/files.h"

#include <algorithm>

namespace minato {

namespace {

std::string directory_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

Result<std::string> read_file(Files& files, const std::string& path, std::uint64_t bytes_max) {
  MN_TRY(file, files.open(path, OpenMode::kRead));
  MN_TRY(size, file->size());
  if (size > bytes_max) return fail(Errc::kTooLarge, path + ": " + std::to_string(size) + " bytes");
  std::string bytes(size, '\0');
  MN_TRY(got, file->pread(bytes, 0));
  bytes.resize(got);
  return bytes;
}

Status write_file_atomically(Files& files, const std::string& path, std::string_view bytes) {
  const std::string beside = path + ".new";
  {
    MN_TRY(file, files.open(beside, OpenMode::kCreateOrOpen));
    MN_CHECK(file->truncate(0));
    MN_CHECK(file->pwrite({&bytes, 1}, 0));
    MN_CHECK(file->sync_data());
  }
  MN_CHECK(files.rename(beside, path));
  return files.sync_directory(directory_of(path));
}

}  // namespace minato

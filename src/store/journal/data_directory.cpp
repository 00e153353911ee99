#include "store/journal/data_directory.h"

#include "store/journal/segment_files.h"

namespace minato {

Result<std::unique_ptr<DataDirectory>> open_data_directory(Files& files, const std::string& path) {
  MN_CHECK(files.make_directories(path));
  MN_TRY(lock, files.lock(path + "/lock"));
  MN_TRY(has_journal, files.exists(path + "/journal"));
  const auto if_absent = has_journal ? IfAbsent::kCorrupt : IfAbsent::kCreate;
  MN_CHECK(check_format_file(files, path + "/format", "minato-data", if_absent));
  return std::make_unique<DataDirectory>(path, std::move(lock));
}

}  // namespace minato

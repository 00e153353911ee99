// The directory that holds everything a server keeps: one process at a time, and a format that is checked before
// anything in it is touched.
//
//   lock      held while the server runs; commands that find it held talk to the server instead
//   format    "minato-data 1"
//   journal/  the journal (segment_journal.h)
#pragma once

#include <memory>
#include <string>

#include "os/files.h"

namespace minato {

// Held until it dies or the process ends.
class DataDirectory {
 public:
  DataDirectory(std::string path, std::unique_ptr<File> lock) : path_(std::move(path)), lock_(std::move(lock)) {}
  const std::string& path() const { return path_; }
  std::string journal_path() const { return path_ + "/journal"; }

 private:
  std::string path_;
  std::unique_ptr<File> lock_;
};

// Makes the directory when it is not there. kConflict: another process holds it. kRefused: a newer format. kCorrupt:
// its format file is damaged, or is missing though there is a journal.
Result<std::unique_ptr<DataDirectory>> open_data_directory(Files& files, const std::string& path);

}  // namespace minato

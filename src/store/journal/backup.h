// Backups of a segment journal: a directory with copies of its segments and a manifest.
//
//   manifest := JSON {"format": "minato-backup", "version": 1, "created": RFC 3339, "first": n, "last": n,
//                     "files": [{"name": …, "bytes": n, "sha256": hex}, …]}
//
// The manifest is written last: a directory without one is no backup.
#pragma once

#include <memory>

#include "os/clock.h"
#include "os/files.h"
#include "store/journal/segment_journal.h"

namespace minato {

struct BackupSource {
  std::string name;
  std::shared_ptr<const File> file;  // null: it is opened when its turn comes, for there may be very many
  std::uint64_t bytes = 0;           // to be copied from its start
};

struct BackupPlan {
  Files* from = nullptr;
  std::string directory;              // of `from`; nothing in it is removed meanwhile
  std::vector<BackupSource> sources;  // in order
  Seq first, last;
  Time created;
};
// kConflict: `directory` holds something.
Result<BackupReport> write_backup(const BackupPlan& plan, Files& to, const std::string& directory);

// Reads all of it: kCorrupt when a file is missing or its bytes are not those of the manifest.
Result<BackupReport> verify_backup(Files& files, const std::string& directory);

// Verifies the backup and makes a journal directory of it, durable when this returns. kConflict: `target` holds
// something. Opening the journal then judges the records themselves.
Result<BackupReport> restore_backup(Files& from, const std::string& directory, Files& to, const std::string& target);

}  // namespace minato

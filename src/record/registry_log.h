// What became of each import and change of the registries: one row a journal record.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "base/time.h"
#include "store/index/projection.h"

namespace minato {

class Sqlite;

struct RegistryLogEntry {
  Seq seq = {};
  Time time = {};
  std::string what = {};    // "patients", "providers"
  std::string action = {};  // "import", "put", "unmerge" …
  std::string by = {};
  bool applied = false;
  std::uint64_t rows = 0;   // records touched
  std::string detail = {};  // why it was refused; no values out of the data
};

ProjectionSchema registry_log_schema();
Status note_registry_change(Sqlite& writer, const RegistryLogEntry& entry);
// Newest first, older than `before`.
Result<std::vector<RegistryLogEntry>> read_registry_log(Sqlite& reader, std::optional<Seq> before, std::size_t limit);

}  // namespace minato

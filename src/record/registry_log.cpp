#include "record/registry_log.h"

#include <algorithm>

#include "base/limits.h"
#include "store/sql/sqlite.h"

namespace minato {

ProjectionSchema registry_log_schema() {
  return {.name = "registry-log",
          .version = 1,
          .sql =
              "CREATE TABLE registry_log (seq INTEGER PRIMARY KEY, time INTEGER, what TEXT, action TEXT, by TEXT,"
              "  applied INTEGER, rows INTEGER, detail TEXT);",
          .kept_tables = {"registry_log"}};
}

Status note_registry_change(Sqlite& writer, const RegistryLogEntry& entry) {
  return writer.run("INSERT OR REPLACE INTO registry_log VALUES ($1, $2, $3, $4, $5, $6, $7, $8)", entry.seq,
                    entry.time, entry.what, entry.action, entry.by, entry.applied, entry.rows, entry.detail);
}

Result<std::vector<RegistryLogEntry>> read_registry_log(Sqlite& reader, std::optional<Seq> before, std::size_t limit) {
  std::vector<RegistryLogEntry> entries;
  MN_TRY(rows, reader.query("SELECT seq, time, what, action, by, applied, rows, detail FROM registry_log"
                            " WHERE seq < $1 ORDER BY seq DESC LIMIT $2",
                            before.value_or(Seq{INT64_MAX}), std::min(limit, kRegistryPageMax)));
  while (true) {
    MN_TRY(more, rows.step());
    if (!more) return entries;
    entries.push_back({.seq = rows.seq(0),
                       .time = rows.time(1),
                       .what = std::string(rows.text(2)),
                       .action = std::string(rows.text(3)),
                       .by = std::string(rows.text(4)),
                       .applied = rows.integer(5) != 0,
                       .rows = rows.natural(6),
                       .detail = std::string(rows.text(7))});
  }
}

}  // namespace minato

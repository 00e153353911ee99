// The journal's tables in PostgreSQL, and the statements on them. Specified in docs/formats/journal.md.
#pragma once

#include <string_view>

#include "base/error.h"
#include "base/ids.h"
#include "store/journal/postgres_journal.h"
#include "store/sql/postgres.h"

namespace minato {

inline constexpr std::string_view kJournalChannel = "minato_journal";

struct JournalHead {
  Seq first, last;
  std::uint64_t partition_records = 0;
};

// kRefused: a commit would be acknowledged before it is durable.
Status check_durability(Postgres& db, ServerDurability durability);
// Makes the tables when they are not there. kRefused: a newer version.
Result<JournalHead> make_journal_tables(Postgres& db, std::uint64_t partition_records);
// A new writer's number; its batches count from 1.
Result<std::int64_t> register_writer(Postgres& db);
Result<JournalHead> read_head(Postgres& db);
// Makes the partitions up to the one that holds `up_to`; returns the last sequence that has one.
Result<Seq> make_partitions(Postgres& db, Seq up_to);
// Removes the records up to `through` and gives their space back. Returns the last sequence that is gone.
Result<Seq> purge_records(Postgres& db, Seq through);

// $1 writer, $2 batch, $3 how many, then the columns as arrays. One row: the sequence before the first. No row: the
// batch is not the writer's next one, or the server would not make it durable; nothing was written.
extern const char* const kInsertRecordsSql;
// $1 writer, $2 batch. One row: the writer's last batch before this statement, and the sequence before its first. When
// that is not `batch`, the writer's next batch is batch + 2: `batch` can no longer take place.
extern const char* const kSettleSql;
// $1 from, $2 up to and without, $3 bytes: rows until that many bytes have come, one at least.
extern const char* const kReadRecordsSql;
extern const char* const kNotifySql;
extern const char* const kDurabilitySql;  // synchronous_commit, fsync
extern const char* const kDiskBytesSql;
extern const char* const kForgetWriterSql;

}  // namespace minato

// The journal in PostgreSQL 15 or later, shared by any number of servers. Tables: docs/formats/journal.md.
//
//   MN_TRY(journal, open_postgres_journal({.connection = {.conninfo = "host=/run/postgresql dbname=minato"}}));
//
// Each commit is one transaction. It takes its sequences from one row that stays locked until it ends, so that
// sequences have no gaps and become visible in order, whichever server commits. Fences are checked in the same
// transaction (store/sql/lane_fence.h). A commit whose answer was lost with the connection is not guessed about: a
// numbered batch of a numbered writer tells after the reconnection whether it took place, and a late one can take place
// no more.
//
// Records lie in partitions of the table, by sequence: a purge drops whole ones, which gives their space back at once,
// and deletes the rest row by row.
#pragma once

#include <memory>

#include "base/limits.h"
#include "os/clock.h"
#include "store/journal/journal.h"
#include "store/journal/journal_events.h"
#include "store/sql/postgres.h"

namespace minato {

// What must be true of the server before anything is acknowledged. kDurable: fsync is on. kAny: for tests, whose server
// is quick and forgets at a power cut. synchronous_commit must not be off either way.
enum class ServerDurability : std::uint8_t { kDurable, kAny };

struct PostgresJournalOptions {
  PostgresOptions connection = {};
  ServerDurability durability = ServerDurability::kDurable;
  std::size_t group_bytes_max = kJournalGroupBytesMax;
  std::size_t pending_bytes_max = kJournalPendingBytesMax;
  std::uint64_t partition_records = kJournalPartitionRecords;  // of tables that are made now
  // How long a commit whose answer was lost may stay unknown before the journal refuses for good.
  std::chrono::seconds settle_timeout{60};
  JournalEvents events = {};
};

// Makes the tables when they are not there. Holds three connections: for commits, for reading, for notifications.
// kRefused: the server would acknowledge what is not durable, or the tables are of a newer version.
Result<std::unique_ptr<Journal>> open_postgres_journal(const PostgresJournalOptions& options);

}  // namespace minato

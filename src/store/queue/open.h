// How a queue is opened: embedded in a SQLite file, or grown, in tables of a PostgreSQL database.
#pragma once

#include <memory>
#include <string>

#include "store/queue/queue.h"
#include "store/sql/postgres.h"

namespace minato {

// Opens or creates the file; ":memory:" is a queue that vanishes with the object. A file of another version of the
// schema is deleted and begun anew at position 0, as are all its leases: one process has the file. A power cut loses at
// most the newest changes, which the journal has. kConflict: this process has the file open. kCorrupt:
// remove_sqlite_queue(), open again, and the follower rebuilds it.
Result<std::unique_ptr<Queue>> open_sqlite_queue(const std::string& path);
// kConflict: it is open.
Status remove_sqlite_queue(const std::string& path);

// Opens the tables queue_… in the database's default schema and makes them when they are not there, as the journal's
// may be. Any number of processes may share them. Tables of an older version are dropped and begun anew at position 0;
// kRefused: they are of a newer version. Holds three connections: for apply, for leases, for reading.
Result<std::unique_ptr<Queue>> open_postgres_queue(const PostgresOptions& options);
// Drops the tables; leases that are out are lost with them.
Status remove_postgres_queue(const PostgresOptions& options);

}  // namespace minato
